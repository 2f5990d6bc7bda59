/* faults_disk.c: what befalls disks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/faults.h"

static void heal_room(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    sim_disk_set_room(&heal->sim->hosts[heal->host].disk, UINT64_MAX);
    sim_heal_end(heal);
}

static bool fill(struct sim_blow *blow, struct sim_host *host)
{
    time_ns length_ns = sim_blow_length_ns(blow);
    uint64_t room = sim_disk_used_bytes(&host->disk);
    room += prng_between(&blow->prng, 0, 1) * blow->sim->plan.segment_bytes;
    sim_disk_set_room(&host->disk, room);
    (void)sim_blow_heal_later(blow, host->number, length_ns, heal_room);
    sim_blow_tell(blow, host->number, "for %llu ms", (unsigned long long)(length_ns / NS_PER_MS));
    return true;
}

static void heal_errors(struct sim_event *event)
{
    struct sim_heal *heal = event->owner;
    sim_disk_clear_faults(&heal->sim->hosts[heal->host].disk);
    sim_heal_end(heal);
}

/* A call fails once, if one comes before the fault is forgotten. */
static bool fail_call(struct sim_blow *blow, struct sim_host *host)
{
    static const enum sim_disk_call write_calls[] = {
        SIM_DISK_WRITE_FILE, SIM_DISK_SYNC_FILE, SIM_DISK_RENAME_FILE, SIM_DISK_SYNC_NAMES,
        SIM_DISK_PREPARE,    SIM_DISK_MOUNT,     SIM_DISK_STORE,       SIM_DISK_PUBLISH};
    uint64_t which = prng_between(&blow->prng, 0, 13);
    if (blow->fault == SIM_FAULT_READ_ERROR) {
        sim_disk_fail_read(&host->disk, false);
    } else if (which < sizeof(write_calls) / sizeof(write_calls[0])) {
        sim_disk_fail_call(&host->disk, write_calls[which]);
    } else {
        sim_disk_fail_write(&host->disk);
    }
    (void)sim_blow_heal_later(blow, host->number, 2 * NS_PER_S, heal_errors);
    sim_blow_tell(blow, host->number, "next call");
    return true;
}

static bool damage(struct sim_blow *blow, struct sim_host *host)
{
    char what[SIM_DISK_TEXT_BYTES] = "";
    enum sim_disk_damage kind = SIM_DISK_BIT_FLIP;
    /* A release is kept with its bugs, and notices less: runs with one have no damage. */
    if (blow->sim->plan.past_percent > 0 || !sim_atlas_may_lose(blow->sim, host->id)) {
        return false;
    }
    if (blow->fault == SIM_FAULT_ZEROED) {
        kind = SIM_DISK_SECTOR_ZEROED;
    } else if (blow->fault == SIM_FAULT_MISDIRECT) {
        kind = SIM_DISK_MISDIRECTED;
    } else if (prng_between(&blow->prng, 0, 9) == 0) {
        kind = SIM_DISK_IDENTITY;
    }
    if (!sim_disk_damage(&host->disk, kind, what)) {
        return false;
    }
    host->is_disk_marred = true;
    sim_atlas_lose(blow->sim, host);
    blow->sim->report->disk_faults++;
    sim_blow_tell(blow, host->number, "%s", what);
    return true;
}

static bool lose(struct sim_blow *blow, struct sim_host *host)
{
    if (host->life == 0 || !sim_atlas_may_lose(blow->sim, host->id)) {
        return false;
    }
    sim_blow_tell(blow, host->number, "all of it");
    sim_host_end(host, SIM_END_POWER_LOST);
    sim_host_wipe(host);
    sim_host_restart_later(host);
    return true;
}

bool sim_blow_disk(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    struct sim_host *host = sim_blow_host(blow);
    time_ns length_ns = 0;
    if (host->disk_life + 1 >= SIM_LIVES_MAX) {
        return false;
    }
    switch (blow->fault) {
    case SIM_FAULT_SLOW_DISK:
        length_ns = sim_blow_length_ns(blow);
        host->disk_slow_until_ns = max_u64(host->disk_slow_until_ns, sim_now(sim) + length_ns);
        break;
    case SIM_FAULT_HUNG_DISK:
        length_ns = sim_blow_length_ns(blow);
        host->disk_hung_until_ns = max_u64(host->disk_hung_until_ns, sim_now(sim) + length_ns);
        break;
    case SIM_FAULT_READ_ERROR:
    case SIM_FAULT_WRITE_ERROR:
        return fail_call(blow, host);
    case SIM_FAULT_DISK_FULL:
        return fill(blow, host);
    case SIM_FAULT_DISK_LOSS:
        return lose(blow, host);
    default:
        return damage(blow, host);
    }
    sim_blow_tell(blow, host->number, "for %llu ms", (unsigned long long)(length_ns / NS_PER_MS));
    return true;
}
