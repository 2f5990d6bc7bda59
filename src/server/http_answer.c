/* http_answer.c: which page a request gets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/http.h"
#include "server/internal.h"

#define TYPE_PLAIN "text/plain; charset=utf-8"
#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_EVENTS "text/event-stream"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct answer {
    unsigned code;
    const char *reason;
    const char *type;
    const char *extra; /* a header line with its end, or "" */
    bool keeps_alive;
    bool is_head;
};

static void append_string(struct buffer *out, const char *string)
{
    buffer_append(out, string, strlen(string));
}

static void append_answer(const struct answer *answer, const struct buffer *body,
                          struct buffer *out)
{
    char data[512];
    struct text head = text_of(data, sizeof(data));

    text_string(&head, "HTTP/1.1 ");
    text_u64(&head, answer->code);
    text_char(&head, ' ');
    text_string(&head, answer->reason);
    text_string(&head, "\r\nContent-Type: ");
    text_string(&head, answer->type);
    text_string(&head, "\r\nContent-Length: ");
    text_u64(&head, buffer_bytes(body));
    text_string(&head, "\r\nCache-Control: no-store\r\n");
    text_string(&head, answer->extra);
    text_string(&head, answer->keeps_alive ? "Connection: keep-alive\r\n\r\n"
                                           : "Connection: close\r\n\r\n");
    ASSERT(!head.truncated);
    buffer_append(out, head.data, head.length);
    if (!answer->is_head) {
        buffer_append(out, buffer_at(body), buffer_bytes(body));
    }
    out->failed = out->failed || body->failed;
}

static void page_root(struct server *server, struct answer *answer, struct buffer *body)
{
    (void)server;
    answer->type = TYPE_HTML;
    append_string(body, "<!doctype html>\n<title>quorate</title>\n<h1>quorate " QR_VERSION_TEXT
                        "</h1>\n<ul>\n"
                        "<li><a href=\"/status\">/status</a> this node and its cluster, JSON\n"
                        "<li><a href=\"/events\">/events</a> of members and leaders, as they "
                        "happen: server-sent events\n"
                        "<li><a href=\"/metrics\">/metrics</a> for Prometheus\n"
                        "<li><a href=\"/healthz\">/healthz</a> the process is alive\n"
                        "<li><a href=\"/readyz\">/readyz</a> a leader is known, the disk is "
                        "healthy\n</ul>\n");
}

static void page_healthz(struct server *server, struct answer *answer, struct buffer *body)
{
    (void)server;
    (void)answer;
    append_string(body, "ok\n");
}

static void page_readyz(struct server *server, struct answer *answer, struct buffer *body)
{
    const struct qr_status *status = server_status(server);
    const char *reason = NULL;

    if (status->is_stopped) {
        reason = "the node has stopped\n";
    } else if (status->is_disk_full) {
        reason = "the disk is full\n";
    } else if (!status->has_leader) {
        reason = "no leader is known\n";
    }
    if (reason != NULL) {
        answer->code = 503;
        answer->reason = "Service Unavailable";
    }
    append_string(body, reason == NULL ? "ok\n" : reason);
}

static void page_status(struct server *server, struct answer *answer, struct buffer *body)
{
    answer->type = TYPE_JSON;
    status_json(server, body);
}

static void page_metrics(struct server *server, struct answer *answer, struct buffer *body)
{
    answer->type = TYPE_METRICS;
    metrics_text(server, body);
}

/* A GET that comes here found no room; a HEAD learns that there is such a page. */
static void page_events(struct server *server, struct answer *answer, struct buffer *body)
{
    if (answer->is_head) {
        answer->type = TYPE_EVENTS;
        return;
    }
    bool is_full = server->listener_count >= SERVER_LISTENERS_MAX;
    answer->code = 503;
    answer->reason = "Service Unavailable";
    append_string(body, is_full ? "too many listen already\n" : "the node has stopped\n");
}

struct page {
    const char *path;
    void (*write)(struct server *server, struct answer *answer, struct buffer *body);
};

static const struct page pages[] = {
    {"/", page_root},           {"/events", page_events}, {"/healthz", page_healthz},
    {"/metrics", page_metrics}, {"/readyz", page_readyz}, {"/status", page_status},
};

static const struct page *find_page(const char *url)
{
    size_t path_bytes = strcspn(url, "?#");

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strlen(pages[i].path) == path_bytes && memcmp(pages[i].path, url, path_bytes) == 0) {
            return &pages[i];
        }
    }
    return NULL;
}

void http_answer(struct server *server, const struct http_request *request, struct buffer *out)
{
    struct buffer body = {0};
    const struct page *page = find_page(request->url);
    struct answer answer = {
        .code = 200,
        .reason = "OK",
        .type = TYPE_PLAIN,
        .extra = "",
        .keeps_alive = request->keeps_alive,
        .is_head = request->is_head,
    };

    server->stats.http_request_count++;
    if (page == NULL) {
        answer.code = 404;
        answer.reason = "Not Found";
        append_string(&body, "there is no such page\n");
    } else if (!request->is_get && !request->is_head) {
        answer.code = 405;
        answer.reason = "Method Not Allowed";
        answer.extra = "Allow: GET, HEAD\r\n";
        append_string(&body, "only GET and HEAD are allowed\n");
    } else {
        page->write(server, &answer, &body);
    }
    append_answer(&answer, &body, out);
    buffer_free(&body);
}

void http_refuse(unsigned code, const char *reason, struct buffer *out)
{
    struct buffer body = {0};
    struct answer answer = {.code = code, .reason = reason, .type = TYPE_PLAIN, .extra = ""};

    append_string(&body, reason);
    append_string(&body, "\n");
    append_answer(&answer, &body, out);
    buffer_free(&body);
}
