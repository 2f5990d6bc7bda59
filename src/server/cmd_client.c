/* cmd_client.c: CLIENT: names, and who is connected. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

#define CLIENT_LINE_BYTES 1024

const char *client_set_text(struct client *client, enum client_text which,
                            const struct kv_argument *value)
{
    const uint8_t *data = value->data;
    char *copy = NULL;

    if (value->size_bytes > SERVER_CLIENT_TEXT_BYTES_MAX) {
        return "ERR client names and library names are at most 128 bytes long";
    }
    for (size_t i = 0; i < value->size_bytes; i++) {
        if (data[i] < '!' || data[i] > '~') {
            return which == CLIENT_NAME
                       ? "ERR Client names cannot contain spaces, newlines or special characters."
                       : "ERR lib-name and lib-ver cannot contain spaces, newlines or special "
                         "characters.";
        }
    }
    if (value->size_bytes > 0) {
        copy = malloc(value->size_bytes + 1);
        if (copy == NULL) {
            return "TRYAGAIN memory ran out; not applied";
        }
        memcpy(copy, data, value->size_bytes);
        copy[value->size_bytes] = '\0';
    }
    free(client->texts[which]);
    client->texts[which] = copy;
    return NULL;
}

static void field_text(struct text *line, const char *name, const char *value)
{
    text_string(line, name);
    text_string(line, value == NULL ? "" : value);
}

static void field_number(struct text *line, const char *name, uint64_t value)
{
    text_string(line, name);
    text_u64(line, value);
}

static void describe(const struct client *client, struct text *line)
{
    char address[QR_ADDRESS_BYTES_MAX];
    uint64_t now_ms = server_now_ms(client->server);
    uint64_t unsent_bytes = client_unsent_bytes(client);

    listen_peer_text(&client->handle, address, sizeof(address));
    field_number(line, "id=", client->id);
    field_text(line, " addr=", address);
    field_text(line, " name=", client->texts[CLIENT_NAME]);
    field_number(line, " age=", (now_ms - client->opened_ms) / 1000);
    field_number(line, " idle=", (now_ms - client->active_ms) / 1000);
    field_text(line, " flags=", client->is_readonly ? "r" : client->is_tail ? "P" : "N");
    field_text(line, " db=", "0");
    field_number(line, " qbuf=", buffer_bytes(&client->input));
    field_number(line, " oll=", client->pipeline.count);
    field_number(line, " omem=", unsent_bytes);
    field_number(line, " tot-mem=",
                 sizeof(*client) + client->input.capacity + client->output.capacity +
                     client->writing.capacity + client->pipeline.size_bytes);
    field_text(line, " user=", "default");
    field_number(line, " resp=", client->protocol);
    field_text(line, " lib-name=", client->texts[CLIENT_LIB_NAME]);
    field_text(line, " lib-ver=", client->texts[CLIENT_LIB_VERSION]);
    text_char(line, '\n');
    ASSERT(!line->truncated);
}

static void reply_info(struct client *client, const struct reply *reply)
{
    char data[CLIENT_LINE_BYTES];
    struct text line = text_of(data, sizeof(data));

    describe(client, &line);
    reply_verbatim(reply, line.data, line.length);
}

static void reply_list(struct client *client, const struct reply *reply)
{
    const struct server *server = client->server;
    struct buffer list = {0};

    for (uint32_t i = 0; i < server->client_count; i++) {
        char data[CLIENT_LINE_BYTES];
        struct text line = text_of(data, sizeof(data));
        describe(server->clients[i], &line);
        buffer_append(&list, line.data, line.length);
    }
    if (list.failed) {
        reply_error(reply, "TRYAGAIN memory ran out; nothing was changed");
    } else {
        reply_verbatim(reply, (const char *)buffer_at(&list), buffer_bytes(&list));
    }
    buffer_free(&list);
}

static void set_text(struct client *client, const struct reply *reply, enum client_text which,
                     const struct kv_argument *value)
{
    const char *error = client_set_text(client, which, value);

    if (error != NULL) {
        reply_error(reply, error);
    } else {
        reply_status(reply, "OK");
    }
}

static void set_info(struct client *client, const struct reply *reply,
                     const struct kv_argument *arguments)
{
    if (word_is(&arguments[2], "LIB-NAME")) {
        set_text(client, reply, CLIENT_LIB_NAME, &arguments[3]);
    } else if (word_is(&arguments[2], "LIB-VER")) {
        set_text(client, reply, CLIENT_LIB_VERSION, &arguments[3]);
    } else {
        reply_error(reply, "ERR Unrecognized option for CLIENT SETINFO");
    }
}

/* ON and OFF for what this server never does anyway: evict, or reorder for eviction. */
static void set_switch(const struct reply *reply, const struct kv_argument *value)
{
    if (word_is(value, "ON") || word_is(value, "OFF")) {
        reply_status(reply, "OK");
    } else {
        reply_error(reply, "ERR syntax error");
    }
}

enum dispatch_outcome cmd_client(struct client *client, const struct kv_argument *arguments,
                                 size_t count)
{
    const struct kv_argument *sub = &arguments[1];
    const char *name = client->texts[CLIENT_NAME];
    struct reply reply = pipeline_reply(client);

    if (count == 2 && word_is(sub, "ID")) {
        reply_integer(&reply, (int64_t)client->id);
    } else if (count == 2 && word_is(sub, "GETNAME")) {
        if (name == NULL) {
            reply_null(&reply);
        } else {
            reply_string(&reply, name);
        }
    } else if (count == 3 && word_is(sub, "SETNAME")) {
        set_text(client, &reply, CLIENT_NAME, &arguments[2]);
    } else if (count == 2 && word_is(sub, "INFO")) {
        reply_info(client, &reply);
    } else if (count == 2 && word_is(sub, "LIST")) {
        reply_list(client, &reply);
    } else if (count == 4 && word_is(sub, "SETINFO")) {
        set_info(client, &reply, arguments);
    } else if (count == 3 && (word_is(sub, "NO-EVICT") || word_is(sub, "NO-TOUCH"))) {
        set_switch(&reply, &arguments[2]);
    } else {
        reply_unknown_subcommand(&reply, "CLIENT", sub);
    }
    return DISPATCH_DONE;
}
