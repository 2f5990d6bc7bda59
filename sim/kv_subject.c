/* kv_subject.c: clients of the key-value store, and the judgement of what they were told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/kv_subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "kv/kv.h"
#include "sim/linear/history.h"
#include "sim/linear/linearizability.h"
#include "sim/memory.h"

#define KEYS_MAX 24
#define WORDS_MAX 5
#define WORD_BYTES_MAX 512
#define PAD_BYTES_MAX 400
#define STEPS_MAX UINT64_C(2000000000) /* of a history that is hard to judge: about 20 s */
#define INVARIANTS_EVERY 64            /* batches: they look at the whole store */

/* Families of keys. Only the first two are in the history: the others are there so that the
 * replicas' states have more in them that must come out equal.
 */
enum family {
    FAMILY_REGISTER, /* r: every command but INCR */
    FAMILY_COUNTER,  /* c: INCR and GET */
    FAMILY_EXPIRING, /* e: keys that live for a short while of log time */
    FAMILY_TEXT,     /* t: APPEND, SETRANGE, long values */
    FAMILY_COUNT,
};

/* What each client has asked for last. */
struct asked {
    bool is_in_history;
    struct history_call call;
};

struct kv_subject {
    struct qr_sim_subject subject;
    struct allocator allocator;
    struct history history;
    struct asked asked[QR_SIM_CLIENTS_MAX];
    int64_t seen[KEYS_MAX]; /* what each register was last seen or set to */
    uint64_t key_count;
    uint64_t check_count;
    char words[WORDS_MAX][WORD_BYTES_MAX]; /* of the command being made */
    size_t word_count;
    char judgement[QR_SIM_TEXT_BYTES_MAX];
};

/* A reply as far as the history looks at it. */
struct reply {
    bool is_error;
    struct history_value value;
};

static void *allocate_block(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void release_block(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

static const struct qr_state_machine *open_replica(void *context)
{
    struct kv_subject *self = context;
    struct kv *kv = kv_new(&self->allocator);
    return kv == NULL ? NULL : kv_state_machine(kv);
}

static void close_replica(void *context, const struct qr_state_machine *machine)
{
    (void)context;
    kv_free(machine->context);
}

static void word(struct kv_subject *self, const char *text)
{
    ASSERT(self->word_count < WORDS_MAX);
    ASSERT(strlen(text) < WORD_BYTES_MAX);
    memcpy(self->words[self->word_count++], text, strlen(text) + 1);
}

static void number_word(struct kv_subject *self, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%lld", (long long)number);
    word(self, digits);
}

static void key_word(struct kv_subject *self, enum family family, uint64_t key)
{
    static const char letters[] = {'r', 'c', 'e', 't'};
    char name[24];
    snprintf(name, sizeof(name), "%c%llu", letters[family], (unsigned long long)key);
    word(self, name);
}

/* Every write of a register writes a number that no other one does. */
static void make_register(struct kv_subject *self, struct qr_sim_random *random,
                          const struct qr_sim_operation *out, struct history_call *call)
{
    static const enum history_kind kinds[] = {
        HISTORY_GET,    HISTORY_GET, HISTORY_GET, HISTORY_SET,   HISTORY_SET,
        HISTORY_GETSET, HISTORY_CAS, HISTORY_CAS, HISTORY_SETNX, HISTORY_DEL};
    /* SETNX and compare-and-set are options of SET. */
    static const char *const commands[] = {
        [HISTORY_GET] = "GET", [HISTORY_SET] = "SET",     [HISTORY_GETSET] = "GETSET",
        [HISTORY_CAS] = "SET", [HISTORY_SETNX] = "SETNX", [HISTORY_DEL] = "DEL"};
    call->kind = kinds[qr_sim_draw(random, 0, sizeof(kinds) / sizeof(kinds[0]) - 1)];
    word(self, commands[call->kind]);
    key_word(self, FAMILY_REGISTER, call->key);
    if (call->kind == HISTORY_GET || call->kind == HISTORY_DEL) {
        return;
    }
    call->argument = (int64_t)out->number + 1;
    number_word(self, call->argument);
    if (call->kind == HISTORY_CAS) {
        call->expected = self->seen[call->key];
        word(self, "IFEQ");
        number_word(self, call->expected);
    }
}

static void make_counter(struct kv_subject *self, struct qr_sim_random *random,
                         struct history_call *call)
{
    call->kind = qr_sim_draw(random, 0, 2) == 0 ? HISTORY_GET : HISTORY_INCR;
    word(self, history_kind_text(call->kind));
    key_word(self, FAMILY_COUNTER, call->key);
    call->key += KEYS_MAX; /* another key in the history */
}

static void make_expiring(struct kv_subject *self, struct qr_sim_random *random)
{
    bool is_set = qr_sim_draw(random, 0, 1) == 0;
    uint64_t key = qr_sim_draw(random, 0, KEYS_MAX - 1);
    word(self, is_set ? "PSETEX" : "PEXPIRE");
    key_word(self, FAMILY_EXPIRING, key);
    number_word(self, (int64_t)qr_sim_draw(random, 1, 5000));
    if (is_set) {
        word(self, "x");
    }
}

static void make_text(struct kv_subject *self, struct qr_sim_random *random)
{
    char pad[PAD_BYTES_MAX + 1];
    uint64_t length = qr_sim_draw(random, 1, PAD_BYTES_MAX);
    uint64_t which = qr_sim_draw(random, 0, 3);
    memset(pad, (int)('a' + qr_sim_draw(random, 0, 25)), sizeof(pad));
    pad[which == 0 ? length % 16 : length] = '\0';
    word(self, which == 0 ? "APPEND" : which == 1 ? "SETRANGE" : "SET");
    key_word(self, FAMILY_TEXT, qr_sim_draw(random, 0, KEYS_MAX - 1));
    if (which == 1) {
        number_word(self, (int64_t)qr_sim_draw(random, 0, 100));
    }
    word(self, pad);
}

static void encode(struct kv_subject *self, struct qr_sim_operation *out)
{
    struct kv_argument arguments[WORDS_MAX];
    size_t count = self->word_count;
    for (size_t i = 0; i < count; i++) {
        arguments[i] = (struct kv_argument){self->words[i], strlen(self->words[i])};
    }
    size_t bytes = kv_payload_bytes(arguments, count);
    ASSERT(bytes <= sizeof(out->payload));
    kv_payload_encode(arguments, count, out->payload);
    out->payload_bytes = (uint32_t)bytes;
    memcpy(out->command, KV_COMMAND, strlen(KV_COMMAND));
    out->command_bytes = (uint32_t)strlen(KV_COMMAND);
}

static void make_operation(void *context, struct qr_sim_random *random,
                           struct qr_sim_operation *out)
{
    struct kv_subject *self = context;
    struct history_call call = {.client = out->client};
    if (self->key_count == 0) {
        self->key_count = qr_sim_draw(random, 1, KEYS_MAX);
    }
    call.key = qr_sim_draw(random, 0, self->key_count - 1);
    uint64_t which = qr_sim_draw(random, 0, 9);
    self->word_count = 0;
    if (which < 6) {
        make_register(self, random, out, &call);
    } else if (which < 8) {
        make_counter(self, random, &call);
    } else if (which == 8) {
        make_expiring(self, random);
    } else {
        make_text(self, random);
    }
    self->asked[out->client] = (struct asked){which < 8, call};
    out->is_read = which < 8 && call.kind == HISTORY_GET;
    encode(self, out);
}

static void take_status(void *context, const char *text)
{
    (void)text; /* "OK" */
    *(struct reply *)context = (struct reply){.value = history_number(1)};
}

static void take_error(void *context, const char *text)
{
    (void)text;
    *(struct reply *)context = (struct reply){.is_error = true};
}

static void take_integer(void *context, int64_t value)
{
    *(struct reply *)context = (struct reply){.value = history_number(value)};
}

/* Numbers in decimal; what else is stored is not in the history. */
static void take_bulk(void *context, const void *data, size_t size_bytes)
{
    const char *digits = data;
    int64_t number = 0;
    for (size_t i = 0; i < size_bytes && digits[i] >= '0' && digits[i] <= '9'; i++) {
        number = (int64_t)((uint64_t)number * 10 + (uint64_t)(digits[i] - '0'));
    }
    *(struct reply *)context = (struct reply){.value = history_number(number)};
}

static void take_null(void *context)
{
    *(struct reply *)context = (struct reply){.value = history_none()};
}

static void take_array(void *context, size_t count)
{
    (void)context;
    (void)count;
}

static struct kv_reply_sink sink_of(struct reply *reply)
{
    return (struct kv_reply_sink){reply,     take_status, take_error, take_integer,
                                  take_bulk, take_null,   take_array};
}

static size_t read_replica(void *context, const struct qr_state_machine *machine,
                           const struct qr_sim_operation *operation, void *out, size_t out_bytes)
{
    struct kv_subject *self = context;
    const struct asked *asked = &self->asked[operation->client];
    struct reply reply = {.is_error = true};
    struct kv_reply_sink sink = sink_of(&reply);
    uint64_t key = asked->call.key;
    self->word_count = 0;
    word(self, "GET");
    key_word(self, key < KEYS_MAX ? FAMILY_REGISTER : FAMILY_COUNTER, key % KEYS_MAX);
    struct kv_argument arguments[] = {{self->words[0], strlen(self->words[0])},
                                      {self->words[1], strlen(self->words[1])}};
    kv_read(machine->context, arguments, 2, 0, 0, &sink);
    ASSERT(out_bytes >= sizeof(reply));
    memcpy(out, &reply, sizeof(reply));
    return sizeof(reply);
}

/* The answer as the history counts it: 1 or 0 for whether a conditional write was done. */
static struct history_value value_of(const struct history_call *call, const struct reply *reply)
{
    if (call->kind == HISTORY_CAS && !reply->value.is_present) {
        return history_number(0);
    }
    return reply->value;
}

static void note_seen(struct kv_subject *self, const struct history_call *call,
                      struct history_value value)
{
    if (call->key >= KEYS_MAX) {
        return;
    }
    if (call->kind == HISTORY_SET || call->kind == HISTORY_GETSET) {
        self->seen[call->key] = call->argument;
    } else if (call->kind == HISTORY_GET && value.is_present) {
        self->seen[call->key] = value.number;
    }
}

static void take_answer(struct kv_subject *self, const struct asked *asked, uint32_t number,
                        const struct qr_sim_operation *operation,
                        const struct qr_sim_outcome *outcome)
{
    struct reply reply = {.is_error = true};
    if (operation->is_read) {
        memcpy(&reply, outcome->result, sizeof(reply));
    } else {
        struct kv_reply_sink sink = sink_of(&reply);
        kv_result_replay(outcome->result, outcome->result_bytes, &sink);
    }
    if (reply.is_error && self->judgement[0] == '\0') {
        snprintf(self->judgement, sizeof(self->judgement),
                 "operation %llu was answered with an error, which no order explains",
                 (unsigned long long)operation->number);
    }
    struct history_value value = value_of(&asked->call, &reply);
    note_seen(self, &asked->call, value);
    history_done(&self->history, number, value, outcome->ended_ns);
}

static void ended(void *context, const struct qr_sim_operation *operation,
                  const struct qr_sim_outcome *outcome)
{
    struct kv_subject *self = context;
    const struct asked *asked = &self->asked[operation->client];
    uint32_t number;
    if (!asked->is_in_history) {
        return;
    }
    int status = history_add(&self->history, &asked->call, outcome->began_ns, &number);
    ASSERT(status == 0);
    if (outcome->status == 0) {
        take_answer(self, asked, number, operation, outcome);
    } else if (qr_error_class_of(outcome->status) == QR_CLASS_RETRY) {
        history_refused(&self->history, number);
    } else {
        history_unknown(&self->history, number);
    }
}

static const char *check_replica(void *context, const struct qr_state_machine *machine)
{
    struct kv_subject *self = context;
    if (++self->check_count % INVARIANTS_EVERY == 0) {
        kv_invariants(machine->context);
    }
    return NULL;
}

static void judge(struct kv_subject *self, uint64_t steps_max,
                  struct linearizability_report *report)
{
    struct linearizability_checker checker;
    linearizability_checker_init(&checker, &self->allocator,
                                 &(struct linearizability_options){.steps_max = steps_max});
    int status = linearizability_check(&checker, &self->history, report);
    linearizability_checker_deinit(&checker);
    ASSERT(status == 0);
}

/* What the usual budget leaves open gets a larger one; what that leaves open has not passed. */
static const char *finish(void *context)
{
    struct kv_subject *self = context;
    struct linearizability_report report;
    if (self->judgement[0] != '\0') {
        return self->judgement;
    }
    judge(self, 0, &report);
    if (report.verdict == LINEARIZABILITY_UNDECIDED) {
        judge(self, STEPS_MAX, &report);
    }
    if (report.verdict == LINEARIZABILITY_HOLDS) {
        return NULL;
    }
    struct text text = text_of(self->judgement, sizeof(self->judgement));
    linearizability_report_write(&report, &self->history, &text);
    return self->judgement;
}

struct kv_subject *kv_subject_new(void)
{
    struct kv_subject *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->allocator = (struct allocator){NULL, allocate_block, release_block};
    history_init(&self->history, &self->allocator, HISTORY_OPERATIONS_MAX);
    self->subject = (struct qr_sim_subject){
        .size_bytes = sizeof(self->subject),
        .context = self,
        .open = open_replica,
        .close = close_replica,
        .operation = make_operation,
        .read = read_replica,
        .ended = ended,
        .check = check_replica,
        .finish = finish,
    };
    return self;
}

void kv_subject_free(struct kv_subject *subject)
{
    if (subject != NULL) {
        history_deinit(&subject->history);
        free(subject);
    }
}

const struct qr_sim_subject *kv_subject_of(struct kv_subject *subject)
{
    return &subject->subject;
}
