/* internal.h: what the files of this folder share: a server, its clients, their requests.
 *
 * Life of a command: client.c reads bytes, resp.c makes arguments of them, dispatch.c finds
 * who handles them; the handler answers at once (pipeline_reply) or opens a request that
 * the engine answers later (pipeline_propose, pipeline_read). Replies leave in the order
 * of the commands. What became ready in one turn of the loop is written at its end (turn.c).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "base/text.h"
#include "quorate/backup.h"
#include "quorate/membership.h"
#include "server/buffer.h"
#include "server/reply.h"
#include "server/resp.h"
#include "server/scan.h"
#include "server/server.h"
#include "server/transaction.h"

#define SERVER_RECEIVE_BYTES (64 * 1024)
#define SERVER_ERROR_BYTES 512
#define SERVER_SWEEP_MS 1000
#define SERVER_LISTENERS_MAX 64 /* of /events */
#define SERVER_LINGER_MS 2000   /* between our end of a connection and the client's */
#define SERVER_CLIENT_TEXT_BYTES_MAX 128

/* The release of Redis whose commands and replies these are: clients ask before they use. */
#define SERVER_REDIS_VERSION "7.0.0"

struct client;
struct http_connection;

/* Write the reply of a read whose barrier was passed. */
typedef void read_serve(struct client *client, const struct kv_argument *arguments, size_t count,
                        struct reply *reply);

enum request_state {
    REQUEST_PENDING, /* the engine has it, or a barrier is waited for */
    REQUEST_PASSED,  /* a read that may be served when its turn comes */
    REQUEST_READY,   /* its reply waits for its turn */
};

/* A command whose reply cannot be written yet. */
struct request {
    struct request *next;      /* in the client's pipeline */
    struct request *next_read; /* behind the same barrier */
    struct client *client;     /* NULL: it was closed; whoever has the request frees it */
    read_serve *serve;         /* NULL: not a read behind a barrier */
    struct buffer reply;       /* REQUEST_READY */
    uint64_t reply_bytes;      /* of size_bytes: the memory of the reply */
    uint64_t size_bytes;       /* counted in the pipeline's bytes, with those of the reply */
    enum request_state state;
    uint8_t protocol;   /* of the reply: HELLO may change the client's meanwhile */
    bool is_write;      /* went through the log */
    bool wants_index;   /* QUORATE.PROPOSE */
    bool wants_session; /* QUORATE.SESSION */
    bool is_question;   /* OUTCOME */
    bool wants_age;     /* QUORATE.STALE: the answer is told with its age */
    struct qr_read_options read;
    size_t argument_count; /* a read's arguments; their bytes follow them */
    struct kv_argument arguments[];
};

struct pipeline {
    struct request *first;
    struct request *last;
    uint32_t count;
    uint32_t pending_write_count;
    uint32_t read_count; /* behind a barrier, not served yet */
    uint64_t size_bytes;
};

enum client_text {
    CLIENT_NAME,
    CLIENT_LIB_NAME,
    CLIENT_LIB_VERSION,
    CLIENT_TEXTS,
};

struct client {
    uv_tcp_t handle;
    union {
        uv_write_t write;
        uv_shutdown_t shutdown; /* when nothing is written any more */
    } out;
    struct server *server;
    uint64_t id;
    uint32_t position;       /* in server->clients */
    uint32_t dirty_position; /* in server->dirty, while is_dirty */
    struct resp_parser parser;
    struct buffer input;   /* bytes not consumed yet */
    struct buffer output;  /* replies not handed to the socket */
    struct buffer writing; /* what a uv_write has */
    struct pipeline pipeline;
    struct transaction transaction;
    char *texts[CLIENT_TEXTS];      /* NULL: none */
    struct qr_backup *backup;       /* NULL: none is being taken */
    struct request *backup_request; /* which its next piece answers; NULL: none is awaited */
    uint64_t backup_ms;             /* when its last piece was given, or written */
    uint64_t opened_ms;
    uint64_t active_ms;    /* when bytes last came */
    uint64_t progress_ms;  /* while writing: when the socket last took bytes */
    size_t progress_bytes; /* how much was left then */
    uint8_t protocol;
    bool is_dirty;
    bool is_reading;
    bool is_writing;
    bool is_full;         /* the pipeline has reached a limit and is not half empty yet */
    bool waits_for_empty; /* the next command must be the only one */
    bool is_ending;       /* no command is taken any more; closed when all is written */
    bool is_lingering;    /* our end is closed; what still comes is dropped */
    bool is_closing;
    bool uses_cluster;           /* answered MOVED */
    bool is_readonly;            /* reads are served here */
    struct qr_read_options read; /* QUORATE.READ */
    bool is_tail;
};

enum server_log_kind {
    SERVER_LOG_REFUSED,
    SERVER_LOG_OUTPUT,
    SERVER_LOG_STALLED,
    SERVER_LOG_PROTOCOL,
    SERVER_LOG_MEMORY,
    SERVER_LOG_ACCEPT,
    SERVER_LOG_LISTENER,
    SERVER_LOG_KINDS,
};

struct server_stats {
    uint64_t command_count;
    uint64_t connection_count;
    uint64_t refused_count;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t closed_for_output_count;
    uint64_t http_request_count;
    uint64_t events_sent_count; /* to all listeners together */
    uint64_t listeners_dropped_count;
    uint64_t commands_per_second; /* of the last sweep */
    uint64_t swept_command_count; /* command_count then */
    uint64_t memory_peak_bytes;   /* of the store, as far as sweeps and INFO saw it */
};

struct server {
    struct server_options options;
    uv_tcp_t client_listener;
    uv_tcp_t http_listener;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active while something is dirty: the loop must not sleep then */
    uv_timer_t sweep;
    uint32_t handle_count; /* handles on the loop */
    uint16_t client_port;
    uint16_t http_port;
    bool is_turning;
    bool is_closing;
    bool is_abandoned; /* server_open() failed: freed with the last handle */
    void (*closed)(void *argument);
    void *closed_argument;

    struct client **clients; /* client_count of clients_max */
    struct client **dirty;   /* dirty_count of twice clients_max; while is_turning, NULL
                                where one was closed */
    uint32_t client_count;
    uint32_t dirty_count;
    uint64_t last_client_id;
    struct http_connection *http_connections;
    uint32_t http_count;
    uint32_t listener_count; /* of /events */
    uint64_t listener_token;

    struct read_queue {
        struct request *first;
        struct request *last;
    } reads[QR_READ_STALE]; /* of each kind: to go behind this turn's barrier */
    uint32_t tail_count;
    uint64_t tail_token;
    struct scan_table scans;
    struct buffer scratch; /* a payload, or an entry for tails */
    uint8_t *receive;      /* SERVER_RECEIVE_BYTES, shared by all connections */
    struct qr_status status;
    uint64_t random;
    uint64_t now_ms; /* counted in sweeps: nothing here is finer than a second */
    uint64_t opened_ms;
    uint64_t logged_ms[SERVER_LOG_KINDS];
    struct server_stats stats;
};

/* server.c */

/* A handle was closed; with the last one the server is gone from the loop. */
void server_handle_closed(struct server *server);

/* True once between two sweeps for each kind. */
bool server_may_log(struct server *server, enum server_log_kind kind);

/* The next of a series of random numbers. */
uint64_t server_random(struct server *server);

/* How long the reply to a reading command may be: with as much before it that the socket has
 * not taken, the client is still within its limit.
 */
size_t server_reply_bytes_max(const struct server *server);

/* Milliseconds, in steps of SERVER_SWEEP_MS; no clock is read. */
uint64_t server_now_ms(const struct server *server);

/* Keep the peak of the store's memory up to date. */
void server_note_memory(struct server *server);

/* The engine's status, now; good until the next call. */
const struct qr_status *server_status(struct server *server);

/* listen.c */

/* Bind and listen; the handle was initialised by the caller.
 *
 * Returns 0 or QR_ERR_ADDRESS with `detail` set.
 */
NODISCARD int listen_open(uv_tcp_t *listener, const char *address, uv_connection_cb on_connection,
                          uint16_t *port, char *detail);

/* The peer's address as HOST:PORT, "?" when it is not known any more. */
void listen_peer_text(const uv_tcp_t *handle, char *out, size_t out_bytes);

/* turn.c */

/* Start and stop what runs at the end of every turn. */
void turn_open(struct server *server);
void turn_close(struct server *server);

/* This client has something to write, or can go on with its input: look at it at the end of
 * the turn.
 */
void turn_mark(struct client *client);

/* Forget it, before it is closed. */
void turn_unmark(struct client *client);

/* Put a request behind the barrier of its kind that is asked for at the end of this turn. */
void turn_gather_read(struct server *server, struct request *request);

/* client.c */
void client_on_connection(uv_stream_t *listener, int status);

/* Cut the connection now. Its requests are dropped. */
void client_close(struct client *client);

/* Take commands from the input, as far as limits allow; then read on or stop reading. */
void client_process(struct client *client);

/* True when no limit, and no unfinished command, keeps the next one waiting. */
bool client_may_take_command(struct client *client);

/* Take no command any more; close when what is unfinished is answered and written. */
void client_end(struct client *client);

/* Bytes of replies that the socket has not taken. */
size_t client_unsent_bytes(const struct client *client);

/* client_write.c */

/* Write what is ready. May close the client. */
void client_write(struct client *client);

/* Close a client that is over its output limit. Returns true when it was closed. */
bool client_check_output(struct client *client);

/* True when the socket is so far behind that no more replies should be made. */
bool client_is_behind(const struct client *client);

/* Close clients that take nothing, or do not go away. */
void client_sweep(struct client *client, uint64_t now_ms);

/* pipeline.c */

/* Count the reply of the last request in the pipeline's bytes, as it is now. */
void pipeline_count_last(struct client *client);

/* Where the reply to the present command goes when it can be given at once. */
struct reply pipeline_reply(struct client *client);

/* Answer a command that is over max_message_bytes. */
void pipeline_refuse_too_large(struct client *client);

/* Propose an entry; its result is the reply, or with wants_index its index.
 * A refusal becomes the reply too.
 */
void pipeline_propose(struct client *client, const struct qr_proposal *proposal, bool wants_index);

/* Open a session; its name is the reply. */
void pipeline_open_session(struct client *client, uint64_t timeout_ms);

/* Ask what became of an id; what it was answered is the reply. */
void pipeline_settle(struct client *client, struct qr_id id);

/* Take a snapshot of this node; the reply is the index it stands at, once it is durable. */
void pipeline_snapshot(struct client *client);

/* For pipeline_admin.c alone. Put a request that counts as a write behind those that wait; NULL:
 * the client's connection is to be closed, and it has been dealt with.
 */
struct request *pipeline_open_write(struct client *client, size_t payload_bytes);

/* It was answered by the engine. Returns its client, or NULL: that has gone, and the request. */
struct client *pipeline_write_ended(struct request *request);

/* Where its reply goes; then pipeline_replied(). */
struct reply pipeline_reply_of(struct request *request);
void pipeline_replied(struct client *client, struct request *request);

/* Change the members or the leader, and answer with what came of it. */
void pipeline_change(struct client *client, const struct qr_change *change);

/* WATCH behind its barrier. Where that fails, the client's transaction fails, too. */
read_serve cmd_watch_serve;

/* Serve the present command after a read barrier as configured. Arguments are copied. */
void pipeline_read(struct client *client, const struct kv_argument *arguments, size_t count,
                   read_serve *serve);

/* A command that reads: how, and what of it is told beside. */
struct read_order {
    struct qr_read_options read; /* stale: without a barrier, in its turn */
    bool wants_age;
    read_serve *serve;
};
void pipeline_read_as(struct client *client, const struct kv_argument *arguments, size_t count,
                      const struct read_order *order);

/* cmd_read.c: write the reply of a read whose turn has come. */
void read_answer(struct request *request, struct reply *reply);

/* The barrier of a request has ended. Frees it when its client is gone. */
void pipeline_read_done(struct request *request, int status);

/* Move what is ready, in order, to the output; serve reads as far as the socket keeps up. */
void pipeline_advance(struct client *client);

/* Forget all requests, for a client that is closed. */
void pipeline_drop(struct client *client);

/* dispatch.c */

enum dispatch_outcome {
    DISPATCH_DONE, /* taken, and answered or in the pipeline */
    DISPATCH_HOLD, /* not taken: come again when the pipeline is empty */
};

typedef enum dispatch_outcome command_handler(struct client *client,
                                              const struct kv_argument *arguments, size_t count);

/* A command of the server's own; keys and flags as COMMAND tells them. */
struct server_command {
    const char *name; /* upper case */
    int arity;
    const char *flags; /* words with blanks between them */
    command_handler *handle;
};

enum dispatch_outcome dispatch(struct client *client, const struct kv_argument *arguments,
                               size_t count);

/* Answer MOVED to a cluster-aware client that should ask the leader. False: go on here. */
bool dispatch_moved(struct client *client, const struct kv_command *command,
                    const struct kv_argument *arguments, size_t count);
void dispatch_refuse_unknown(struct client *client, const struct kv_argument *arguments,
                             size_t count);

/* Whether a command may have so many arguments, its name included. */
bool dispatch_has_arity(int arity, size_t count);

/* Serve a command of the store that only reads. */
read_serve dispatch_serve_kv;

/* The server's own commands, sorted by name. */
const struct server_command *dispatch_commands(size_t *count);

/* Replies that several handlers give. */
void reply_wrong_arity(const struct reply *reply, const char *name);
void reply_unknown_subcommand(const struct reply *reply, const char *name,
                              const struct kv_argument *subcommand);

/* cmd_transaction.c */

/* Behind MULTI: queue a command for EXEC, or refuse it, and EXEC with it.
 *
 * own, command   what the name was found to be; both NULL: unknown.
 */
void transaction_queue(struct client *client, const struct server_command *own,
                       const struct kv_command *command, const struct kv_argument *arguments,
                       size_t count);

/* Whether a command is executed at once, also behind MULTI. */
bool transaction_lets_through(const struct server_command *own);

/* Propose what `exec` says under an id; all zero: none. */
void transaction_propose(struct client *client, const struct kv_exec *exec, struct qr_id id);

/* EXEC under an id. */
enum dispatch_outcome transaction_execute(struct client *client, struct qr_id id);

/* cmd_once.c */

/* The name of a session, which tokens under it begin with. */
#define ONCE_SESSION_PREFIX "qs:"
void once_session_name(struct text *text, uint64_t session);

/* cmd_backup.c */

/* The client is closed: end its backup. */
void backup_stop(struct client *client);

/* Give up a backup that nobody goes on with. */
void backup_sweep(struct client *client, uint64_t now_ms);

/* words.c: arguments as words and numbers. */

/* Equal to `word`, which is in upper case, whatever the argument's case is. */
bool word_is(const struct kv_argument *argument, const char *word);

/* A decimal number without sign, of at most 20 digits. */
bool word_number(const struct kv_argument *argument, uint64_t *out);

/* Append up to `bytes_max` of an argument, control bytes as blanks. */
void word_text(struct text *text, const struct kv_argument *argument, size_t bytes_max);

/* cmd_client.c */

/* Set one of a client's texts; an empty one clears it.
 *
 * Returns NULL, or the error to reply; then nothing changed.
 */
NODISCARD const char *client_set_text(struct client *client, enum client_text which,
                                      const struct kv_argument *value);

/* cluster.c */

/* A node's id as cluster-aware clients want it: 40 hexadecimal digits. */
void cluster_node_id(struct text *text, uint64_t id);

/* The address of a leader that is not this node. False when there is none or it told none. */
bool cluster_other_leader(struct server *server, char *host, size_t host_bytes, uint16_t *port);

/* tail.c */
void tail_stop(struct client *client);

/* http.c */
void http_on_connection(uv_stream_t *listener, int status);
void http_close_all(struct server *server);
void http_sweep(struct server *server, uint64_t now_ms);

/* status.c, metrics.c, http_events.c: bodies of responses, appended to `out`. */
void status_json(struct server *server, struct buffer *out);
void metrics_text(struct server *server, struct buffer *out);

/* A member's address for clients, and for /status; false when it tells none. */
bool member_client(const struct qr_member *member, char *host, size_t host_bytes, uint16_t *port);
bool member_http(const struct qr_member *member, char *host, size_t host_bytes, uint16_t *port);

bool member_leader_client(const struct qr_status *status, char *host, size_t host_bytes,
                          uint16_t *port);
const char *member_kind(const struct qr_member *member);

/* Keys "client" and "http", "" where it tells none. */
void member_json_services(struct text *text, const struct qr_member *member);

/* Handlers: cmd_backup.c, cmd_change.c, cmd_client.c, cmd_command.c, cmd_config.c,
 * cmd_connection.c, cmd_info.c, cmd_keys.c, cmd_once.c, cmd_read.c, cmd_scan.c,
 * cmd_transaction.c, cluster.c, tail.c.
 */
command_handler cmd_asking, cmd_auth, cmd_client, cmd_cluster, cmd_command, cmd_config, cmd_echo,
    cmd_discard, cmd_exec, cmd_hello, cmd_idempotent, cmd_info, cmd_module, cmd_multi, cmd_outcome,
    cmd_ping, cmd_quit, cmd_readonly, cmd_readwrite, cmd_reset, cmd_scan, cmd_select, cmd_unwatch,
    cmd_wait, cmd_watch, cmd_quorate_age, cmd_quorate_backup, cmd_quorate_change, cmd_quorate_join,
    cmd_quorate_keys, cmd_quorate_leave, cmd_quorate_status, cmd_quorate_propose, cmd_quorate_read,
    cmd_quorate_session, cmd_quorate_snapshot, cmd_quorate_stale, cmd_quorate_tail;

#endif
