/* member.c: what a member tells of itself, whichever way it tells it: by its meta text in the
 * configuration (meta.h), or by gossip, which is all that there is of an observer, and for one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/internal.h"
#include "server/meta.h"

bool member_client(const struct qr_member *member, char *host, size_t host_bytes, uint16_t *port)
{
    const char *heard = member->client_address;

    return server_meta_get(member->meta, "client", host, host_bytes, port) == 0 ||
           server_address_split(heard, strlen(heard), host, host_bytes, port) == 0;
}

bool member_http(const struct qr_member *member, char *host, size_t host_bytes, uint16_t *port)
{
    const char *heard = member->http_address;

    return server_meta_get(member->meta, "http", host, host_bytes, port) == 0 ||
           server_address_split(heard, strlen(heard), host, host_bytes, port) == 0;
}

bool member_leader_client(const struct qr_status *status, char *host, size_t host_bytes,
                          uint16_t *port)
{
    if (!status->has_leader) {
        return false;
    }
    if (server_meta_get(status->leader_meta, "client", host, host_bytes, port) == 0) {
        return true;
    }
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].id == status->leader_id) {
            return member_client(&status->members[i], host, host_bytes, port);
        }
    }
    return false;
}

const char *member_kind(const struct qr_member *member)
{
    return member->is_observer ? "observer" : member->is_voter ? "voter" : "learner";
}

static void json_service(struct text *text, const char *key, bool is_told, const char *host,
                         uint16_t port)
{
    char address[QR_ADDRESS_BYTES_MAX + 16] = "";
    struct text out = text_of(address, sizeof(address));

    if (is_told) {
        bool is_ipv6 = strchr(host, ':') != NULL;
        text_string(&out, is_ipv6 ? "[" : "");
        text_string(&out, host);
        text_string(&out, is_ipv6 ? "]:" : ":");
        text_u64(&out, port);
    }
    text_json_key(text, key);
    text_json_string(text, address);
}

void member_json_services(struct text *text, const struct qr_member *member)
{
    char host[QR_ADDRESS_BYTES_MAX] = "";
    uint16_t port = 0;
    bool is_told = member_client(member, host, sizeof(host), &port);

    json_service(text, "client", is_told, host, port);
    is_told = member_http(member, host, sizeof(host), &port);
    json_service(text, "http", is_told, host, port);
}
