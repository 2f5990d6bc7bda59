/* http.c: fuzzes a whole HTTP connection.
 *
 * Input    flags, then a stream with commands in it (world.h):
 *            0      send what was gathered, and turn
 *            1 n    the client takes some of what is written to it
 *            2, 3   the client closes its end; it is gone
 * Asserts  that what comes back are whole responses, at most one for each request, each with the
 *          code that its method and its page have; that the JSON among them is JSON, and what the
 *          program makes of /status; that a connection that was refused ends; that nothing is
 *          left over.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <http_parser.h>
#include <string.h>

#include "cli/node_status.h"
#include "fuzz/fuzz.h"
#include "fuzz/world.h"

#define FLAG_NARROW 1
#define FLAG_NOBODY 2 /* leads */
#define FLAG_DISK_FULL 4
#define FLAG_STOPPED 8
#define FLAG_CROWD 16 /* the cluster is full */

#define STREAM_BYTES_MAX (128 * 1024)
#define BODY_BYTES_MAX (256 * 1024)
#define REQUESTS_MAX 4096
#define NARROW_BYTES 64

struct script {
    struct world world;
    struct fake_socket *socket;
    uint8_t sent[STREAM_BYTES_MAX];
    size_t sent_bytes;
    size_t gathered_bytes;
    bool is_cut;
};

/* One request, as a client knows it. */
struct request {
    bool is_head;
    bool is_reading;   /* GET or HEAD */
    bool is_known;     /* there is such a page */
    bool is_listening; /* to events, which come until one of the two ends it */
};

/* What a client sent, and the responses to it. */
struct conversation {
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    char url[STREAM_BYTES_MAX]; /* of the request being read */
    size_t url_bytes;
    size_t response_count;
    bool is_json;
    bool is_type; /* the header being read */
    char body[BODY_BYTES_MAX];
    size_t body_bytes;
    bool is_refused;
    size_t member_count; /* that there are */
};

static void begin(struct script *script, uint8_t flags)
{
    struct server_options options = world_options();
    world_init(&script->world, &options);
    struct qr_status *status = &script->world.engine.status;
    status->has_leader = (flags & FLAG_NOBODY) == 0;
    status->is_disk_full = (flags & FLAG_DISK_FULL) != 0;
    status->is_stopped = (flags & FLAG_STOPPED) != 0;
    if ((flags & FLAG_CROWD) != 0) {
        world_crowd(&script->world);
    }
    script->sent_bytes = 0;
    script->gathered_bytes = 0;
    script->is_cut = false;
    script->socket = fake_socket_connect(WORLD_HTTP);
    if ((flags & FLAG_NARROW) != 0) {
        script->socket->room_bytes = NARROW_BYTES;
    }
}

static void send_gathered(struct script *script)
{
    const uint8_t *from = script->sent + script->sent_bytes - script->gathered_bytes;
    script->gathered_bytes -= fake_socket_send(script->socket, from, script->gathered_bytes);
    world_turn(&script->world);
}

static void take_command(struct script *script, uint8_t command, struct reader *reader)
{
    switch (command % 4) {
    case 0:
        send_gathered(script);
        break;
    case 1:
        fake_socket_give_room(script->socket, (size_t)read_u8(reader) * NARROW_BYTES);
        world_turn(&script->world);
        break;
    default:
        send_gathered(script);
        script->is_cut =
            fake_socket_end(script->socket, command % 4 == 2 ? UV_EOF : UV_ECONNRESET) ||
            script->is_cut;
        world_turn(&script->world);
        break;
    }
}

static void play(struct script *script, const uint8_t *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    struct world_step step;
    while (world_step(&reader, &step)) {
        if (step.is_command) {
            take_command(script, step.value, &reader);
        } else if (script->sent_bytes < sizeof(script->sent)) {
            script->sent[script->sent_bytes++] = step.value;
            script->gathered_bytes++;
        }
    }
    send_gathered(script);
    for (size_t i = 0; i < 8; i++) {
        fake_socket_give_room(script->socket, FAKE_OUTPUT_BYTES_MAX);
        world_turn(&script->world);
    }
}

static int on_begin(http_parser *parser)
{
    struct conversation *conversation = parser->data;
    conversation->url_bytes = 0;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t size_bytes)
{
    struct conversation *conversation = parser->data;
    ASSERT(size_bytes < sizeof(conversation->url) - conversation->url_bytes);
    memcpy(conversation->url + conversation->url_bytes, at, size_bytes);
    conversation->url_bytes += size_bytes;
    return 0;
}

static bool is_at(const char *url, const char *page)
{
    size_t length = strcspn(url, "?#");
    return strlen(page) == length && memcmp(page, url, length) == 0;
}

static bool is_page(const char *url)
{
    static const char *const pages[] = {"/",        "/events", "/healthz",
                                        "/metrics", "/readyz", "/status"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (is_at(url, pages[i])) {
            return true;
        }
    }
    return false;
}

static int on_request(http_parser *parser)
{
    struct conversation *conversation = parser->data;
    conversation->url[conversation->url_bytes] = '\0';
    if (conversation->request_count < REQUESTS_MAX) {
        conversation->requests[conversation->request_count++] = (struct request){
            .is_head = parser->method == HTTP_HEAD,
            .is_reading = parser->method == HTTP_HEAD || parser->method == HTTP_GET,
            .is_known = is_page(conversation->url),
            .is_listening = parser->method == HTTP_GET && is_at(conversation->url, "/events"),
        };
    }
    return 0;
}

static void check_code(const struct request *request, unsigned code)
{
    if (!request->is_known) {
        ASSERT(code == 404);
    } else if (!request->is_reading) {
        ASSERT(code == 405);
    } else {
        ASSERT(code == 200 || code == 503);
    }
}

/* A refusal stands in the place of a request that may not even have had a method. */
static bool is_refusal(unsigned code)
{
    return code == 400 || code == 413 || code == 414 || code == 431;
}

static int on_field(http_parser *parser, const char *at, size_t size_bytes)
{
    struct conversation *conversation = parser->data;
    conversation->is_type = size_bytes == 12 && memcmp(at, "Content-Type", 12) == 0;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size_bytes)
{
    struct conversation *conversation = parser->data;
    if (conversation->is_type) {
        conversation->is_json = size_bytes == 16 && memcmp(at, "application/json", 16) == 0;
    }
    return 0;
}

static int on_head(http_parser *parser)
{
    struct conversation *conversation = parser->data;
    size_t number = conversation->response_count;
    bool is_sized = (parser->flags & F_CONTENTLENGTH) != 0;
    conversation->body_bytes = 0;
    ASSERT(!conversation->is_refused);
    conversation->is_refused = is_refusal(parser->status_code);
    if (conversation->is_refused) {
        ASSERT(is_sized);
        return 0;
    }
    ASSERT(number < conversation->request_count);
    ASSERT(is_sized != (conversation->requests[number].is_listening && parser->status_code == 200));
    check_code(&conversation->requests[number], parser->status_code);
    return conversation->requests[number].is_head ? 1 : 0;
}

static int on_body(http_parser *parser, const char *at, size_t size_bytes)
{
    struct conversation *conversation = parser->data;
    ASSERT(size_bytes <= sizeof(conversation->body) - conversation->body_bytes);
    memcpy(conversation->body + conversation->body_bytes, at, size_bytes);
    conversation->body_bytes += size_bytes;
    return 0;
}

static int on_response(http_parser *parser)
{
    struct conversation *conversation = parser->data;
    conversation->response_count++;
    if (conversation->is_json && conversation->body_bytes > 0) {
        static struct node_status status;
        int error = node_status_parse(conversation->body, conversation->body_bytes, &status);
        ASSERT(error == 0);
        ASSERT(status.member_count == conversation->member_count);
    }
    return 0;
}

static void check(const struct script *script)
{
    static const http_parser_settings of_requests = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_headers_complete = on_request,
    };
    static const http_parser_settings of_responses = {
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_head,
        .on_body = on_body,
        .on_message_complete = on_response,
    };
    static struct conversation conversation;
    http_parser parser;
    const struct fake_socket *socket = script->socket;
    bool is_gone = socket->stream == NULL || socket->is_closing;
    conversation.request_count = 0;
    conversation.response_count = 0;
    conversation.is_refused = false;
    conversation.member_count = script->world.engine.status.member_count;

    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &conversation;
    (void)http_parser_execute(&parser, &of_requests, (const char *)script->sent,
                              script->sent_bytes);
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = &conversation;
    size_t read_bytes = http_parser_execute(&parser, &of_responses, (const char *)socket->output,
                                            socket->output_bytes);
    ASSERT(read_bytes == socket->output_bytes);
    ASSERT(HTTP_PARSER_ERRNO(&parser) == HPE_OK);
    ASSERT_IMPLIES(!is_gone, http_body_is_final(&parser) == 0);
    ASSERT_IMPLIES(conversation.is_refused && !is_gone, socket->is_shut);
    ASSERT(conversation.response_count <= conversation.request_count + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct script script;
    if (size_bytes == 0) {
        return 0;
    }
    begin(&script, data[0]);
    play(&script, data + 1, size_bytes - 1);
    check(&script);
    fake_socket_release(script.socket);
    world_deinit(&script.world);
    return 0;
}
