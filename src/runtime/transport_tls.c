/* transport_tls.c: both ends prove that they have a key; then bytes in and out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/transport_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

#define RECORD_BYTES_MAX 16384 /* of text; RFC 8446, 5.1 */
#define RECORD_ADDED_BYTES 256 /* header, type and tag, and what else is allowed */
#define RECEIVE_BYTES 65536
#define CIPHERSUITE "TLS_AES_256_GCM_SHA384"
/* Under one key; RFC 8446, 5.5, allows 2^24.5, and connections last for months. */
#define RECORDS_PER_KEY 65536
#define CERTIFICATES_BYTES_MAX 4096 /* nobody should send any */
#define ALERT_RECORD 0x15
#define HANDSHAKE_RECORD 0x16
#define FRAME_TYPE_AT 8

struct transport_tls {
    const struct allocator *allocator;
    struct keyring *keyring;
    SSL_CTX *context;
    uint8_t received[RECEIVE_BYTES]; /* shared: what comes is taken at once */
    uint8_t text[RECORD_BYTES_MAX];  /* likewise: a record to be */
};

struct connection_tls {
    SSL *ssl;
    BIO *incoming; /* of the SSL */
    BIO *outgoing;
    bool is_key_unknown;    /* incoming: the key that it named is none of ours */
    bool is_heard;          /* something came */
    size_t handshake_bytes; /* that came */
    uint32_t record_count;  /* sent under the present key */
    size_t start;           /* of the output that is not with the kernel yet */
    size_t end;
    char identity[KEYRING_ID_TEXT_BYTES]; /* dialed: which OpenSSL reads when it likes */
    uint8_t output[TLS_OUTPUT_BYTES];
};

_Static_assert(TLS_OUTPUT_BYTES >= RECORD_BYTES_MAX + RECORD_ADDED_BYTES, "a record fits");

bool tls_is_handshake(const uint8_t *data, size_t size_bytes)
{
    /* A frame's length is a multiple of 8, and its first byte is that length's lowest. */
    _Static_assert(HANDSHAKE_RECORD % 8 != 0, "so that no frame begins so");
    return size_bytes >= 2 && data[0] == HANDSHAKE_RECORD && data[1] == 3;
}

/* What OpenSSL calls a session is, for a key from outside, that key. */
static SSL_SESSION *session_of(SSL *ssl, const struct keyring_key *key)
{
    static const uint8_t suite[] = {0x13, 0x02}; /* CIPHERSUITE */
    uint8_t secret[KEYRING_KEY_BYTES];
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
    SSL_SESSION *session = SSL_SESSION_new();
    bool is_made = session != NULL && cipher != NULL &&
                   keyring_derive(key->bytes, sizeof(key->bytes), KEYRING_FOR_TLS, secret) == 0 &&
                   SSL_SESSION_set1_master_key(session, secret, sizeof(secret)) == 1 &&
                   SSL_SESSION_set_cipher(session, cipher) == 1 &&
                   SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1;
    keyring_wipe(secret, sizeof(secret));
    if (!is_made) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

static int offer_key(SSL *ssl, const EVP_MD *digest, const unsigned char **identity,
                     size_t *identity_bytes, SSL_SESSION **session)
{
    (void)digest; /* there is one cipher suite, and so one digest */
    struct connection *connection = SSL_get_app_data(ssl);
    struct keyring_key keys[KEYRING_KEYS_MAX];
    (void)keyring_keys(connection->transport->tls->keyring, keys);
    keyring_id_text(keyring_id_of(&keys[0]), connection->tls->identity);
    *identity = (const unsigned char *)connection->tls->identity;
    *identity_bytes = KEYRING_ID_TEXT_BYTES - 1;
    *session = session_of(ssl, &keys[0]);
    keyring_wipe(keys, sizeof(keys));
    return *session != NULL;
}

/* Without a key the handshake goes on and fails for want of a certificate: so says it which. */
static int find_key(SSL *ssl, const unsigned char *identity, size_t identity_bytes,
                    SSL_SESSION **session)
{
    struct connection *connection = SSL_get_app_data(ssl);
    struct keyring_key keys[KEYRING_KEYS_MAX];
    char known[KEYRING_ID_TEXT_BYTES];
    size_t count = keyring_keys(connection->transport->tls->keyring, keys);
    bool is_found = false;
    *session = NULL;
    for (size_t i = 0; i < count && !is_found; i++) {
        keyring_id_text(keyring_id_of(&keys[i]), known);
        is_found =
            identity_bytes == sizeof(known) - 1 && memcmp(identity, known, identity_bytes) == 0;
        *session = is_found ? session_of(ssl, &keys[i]) : NULL;
    }
    connection->tls->is_key_unknown = !is_found;
    keyring_wipe(keys, sizeof(keys));
    return !is_found || *session != NULL;
}

static bool configure(SSL_CTX *context)
{
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    (void)SSL_CTX_set_max_cert_list(context, CERTIFICATES_BYTES_MAX);
    SSL_CTX_set_psk_use_session_callback(context, offer_key);
    SSL_CTX_set_psk_find_session_callback(context, find_key);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(context, CIPHERSUITE) == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1;
}

struct transport_tls *transport_tls_new(const struct allocator *allocator, struct keyring *keyring)
{
    struct transport_tls *tls = allocate_zeroed(allocator, sizeof(*tls));
    if (tls == NULL) {
        return NULL;
    }
    tls->allocator = allocator;
    tls->keyring = keyring;
    tls->context = SSL_CTX_new(TLS_method());
    if (tls->context == NULL || !configure(tls->context)) {
        transport_tls_free(tls);
        return NULL;
    }
    return tls;
}

void transport_tls_free(struct transport_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->context);
    release(tls->allocator, tls, sizeof(*tls));
}

static bool open_ssl(struct connection *connection)
{
    const struct transport_tls *shared = connection->transport->tls;
    struct connection_tls *tls = allocate_zeroed(shared->allocator, sizeof(*tls));
    if (tls == NULL) {
        return false;
    }
    connection->tls = tls;
    tls->ssl = SSL_new(shared->context);
    tls->incoming = BIO_new(BIO_s_mem());
    tls->outgoing = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->incoming == NULL || tls->outgoing == NULL) {
        BIO_free(tls->incoming);
        BIO_free(tls->outgoing);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->incoming, tls->outgoing);
    SSL_set_app_data(tls->ssl, connection);
    if (connection->kind == CONNECTION_INCOMING) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
        /* Who does not take our key must not get away with a certificate instead. */
        SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
    }
    return true;
}

void connection_tls_free(struct connection *connection)
{
    if (connection->tls != NULL) {
        SSL_free(connection->tls->ssl);
        release(connection->transport->options.allocator, connection->tls,
                sizeof(*connection->tls));
        connection->tls = NULL;
    }
}

/* What OpenSSL has to send, behind the output that waits; false when it does not fit. */
static bool take_output(struct connection_tls *tls)
{
    while (BIO_ctrl_pending(tls->outgoing) > 0) {
        size_t room = sizeof(tls->output) - tls->end;
        int got = room == 0 ? 0 : BIO_read(tls->outgoing, tls->output + tls->end, (int)room);
        if (got <= 0) {
            return false;
        }
        tls->end += (size_t)got;
    }
    return true;
}

/* Write what waits, as far as the stream takes it. Returns 0, or what uv_strerror() knows. */
static int write_output(struct connection *connection)
{
    struct connection_tls *tls = connection->tls;
    if (tls->start == tls->end || connection->is_writing) {
        return 0;
    }
    uv_buf_t part =
        uv_buf_init((char *)tls->output + tls->start, (unsigned)(tls->end - tls->start));
    ssize_t sent = connection->transport->streams->table->write(connection->stream, &part, 1);
    if (sent < 0) {
        return (int)sent;
    }
    /* What the stream does not take now stays where it is until it has taken it. */
    tls->start += (size_t)sent;
    connection->is_writing = tls->start < tls->end;
    return 0;
}

/* Begin anew with the room for output, once all of it has gone. */
static void rewind_output(struct connection_tls *tls)
{
    if (tls->start == tls->end) {
        tls->start = 0;
        tls->end = 0;
    }
}

/* Send what OpenSSL has to say, as far as the stream takes it. */
static bool send_output(struct connection *connection)
{
    rewind_output(connection->tls);
    return take_output(connection->tls) && write_output(connection) == 0;
}

/* It speaks plainly. Tell it so in a frame that it understands, if it began with a hello. */
static void refuse_plain(struct connection *connection, const uint8_t *data, size_t size_bytes)
{
    struct transport *transport = connection->transport;
    struct wire_message answer = {
        .type = WIRE_HELLO_RESPONSE,
        .hello_response = {.status = QR_ERR_FOREIGN, .version = WIRE_VERSION_MIN}};
    struct text text = text_of(answer.hello_response.reason, sizeof(answer.hello_response.reason));
    text_string(&text, "this cluster has a secret: start with --cluster-secret-file");
    /* What the stream still borrows of the handshake must stay: then it is not told. */
    if (size_bytes > FRAME_TYPE_AT && data[FRAME_TYPE_AT] == WIRE_HELLO &&
        !connection->is_writing) {
        struct wire_frame *frame = wire_encode(transport->options.allocator, &answer);
        if (frame != NULL) {
            connection_tls_free(connection); /* it goes as it is */
            connection_greet_with(connection, frame);
        }
    }
    connection_refuse_peer(connection,
                           "it does not encrypt: it was started without the cluster's secret");
}

/* Why the handshake failed, for who has to mend it. */
static const char *failure_of(const struct connection *connection)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    if (connection->tls->is_key_unknown) {
        return "it has a cluster secret that this node does not have";
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_BINDER_DOES_NOT_VERIFY) {
        return "it has another cluster secret, or what it sent was changed on its way";
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
        return "it refused our cluster secret; has it the same?";
    }
    return "it does not speak TLS as a member does";
}

static void fail_handshake(struct connection *connection)
{
    const char *why = failure_of(connection);
    ERR_clear_error();
    (void)send_output(connection); /* the alert, so that the other end knows, too */
    connection_refuse_peer(connection, why);
}

/* Go on with the handshake; connection_greet() at its end. */
static void shake(struct connection *connection)
{
    struct connection_tls *tls = connection->tls;
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    if (done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ) {
        fail_handshake(connection);
        return;
    }
    /* Never without the key: else it was some certificate that convinced OpenSSL. */
    if (done == 1 && SSL_session_reused(tls->ssl) != 1) {
        connection_refuse_peer(connection, "it did not prove that it has the cluster's secret");
        return;
    }
    if (!send_output(connection)) {
        connection_close(connection, "cannot send the handshake");
        return;
    }
    if (done == 1) {
        connection->is_proved = true;
        connection_greet(connection);
    }
}

void connection_tls_begin(struct connection *connection)
{
    if (!open_ssl(connection)) {
        connection_close_without_memory(connection);
        return;
    }
    if (connection->kind != CONNECTION_INCOMING) {
        shake(connection);
    }
}

void connection_tls_room(struct connection *connection, uv_buf_t *out)
{
    struct transport_tls *shared = connection->transport->tls;
    *out = uv_buf_init((char *)shared->received, sizeof(shared->received));
}

/* Decrypt into the connection's chunk, and hand over the frames there, until no more came. */
static void read_text(struct connection *connection)
{
    struct connection_tls *tls = connection->tls;
    while (connection->state != CONNECTION_CLOSED) {
        uv_buf_t room;
        connection_room(connection, &room);
        if (room.len == 0) {
            connection_close_without_memory(connection);
            return;
        }
        ERR_clear_error();
        int got = SSL_read(tls->ssl, room.base, (int)min_u64(room.len, INT32_MAX));
        /* OpenSSL answers who asks for a new key. Where nothing is sent, that stays where it is. */
        if (BIO_ctrl_pending(tls->outgoing) > TLS_OUTPUT_BYTES / 2) {
            ERR_clear_error();
            connection_refuse(connection, "it asks for new keys again and again");
            return;
        }
        if (got > 0) {
            connection_received(connection, (size_t)got);
            continue;
        }
        int error = SSL_get_error(tls->ssl, got);
        if (error == SSL_ERROR_ZERO_RETURN) {
            connection_close(connection, "closed by the other end");
        } else if (error != SSL_ERROR_WANT_READ) {
            connection_refuse(connection, "what came was changed on its way");
        }
        ERR_clear_error();
        return;
    }
}

void connection_tls_received(struct connection *connection, const uint8_t *data, size_t size_bytes)
{
    struct connection_tls *tls = connection->tls;
    ASSERT(size_bytes > 0 && size_bytes <= RECEIVE_BYTES);
    if (!tls->is_heard && data[0] != HANDSHAKE_RECORD && data[0] != ALERT_RECORD) {
        refuse_plain(connection, data, size_bytes);
        return;
    }
    tls->is_heard = true;
    if (BIO_write(tls->incoming, data, (int)size_bytes) != (int)size_bytes) {
        connection_close_without_memory(connection);
        return;
    }
    if (!connection->is_proved) {
        tls->handshake_bytes += size_bytes;
        shake(connection);
        if (!connection->is_proved && connection->state != CONNECTION_CLOSED &&
            tls->handshake_bytes > TLS_HANDSHAKE_BYTES_MAX) {
            connection_refuse_peer(connection, "its handshake is too long");
        }
    }
    if (connection->is_proved) {
        read_text(connection);
    }
}

const char *connection_tls_end(const struct connection *connection)
{
    const struct connection_tls *tls = connection->tls;
    if (tls == NULL || connection->is_proved || connection->kind == CONNECTION_INCOMING ||
        tls->is_heard) {
        return NULL;
    }
    return "it hung up on our handshake: it may have been started without the cluster's secret";
}

/* One record of the text, which becomes output. */
static bool encrypt(struct connection_tls *tls, const uint8_t *text, size_t size_bytes)
{
    ASSERT(size_bytes > 0 && size_bytes <= RECORD_BYTES_MAX);
    ASSERT(sizeof(tls->output) - tls->end >= RECORD_BYTES_MAX + RECORD_ADDED_BYTES);
    ERR_clear_error();
    if (++tls->record_count == RECORDS_PER_KEY) {
        tls->record_count = 0;
        if (SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
            return false;
        }
    }
    return SSL_write(tls->ssl, text, (int)size_bytes) == (int)size_bytes && take_output(tls);
}

/* Encrypt what is queued, as far as there is room for whole records. */
static bool fill_output(struct connection *connection)
{
    struct connection_tls *tls = connection->tls;
    struct transport_tls *shared = connection->transport->tls;
    rewind_output(tls);
    while (connection_has_output(connection) &&
           sizeof(tls->output) - tls->end >= RECORD_BYTES_MAX + RECORD_ADDED_BYTES) {
        size_t taken = connection_queue_read(connection, shared->text, sizeof(shared->text));
        if (!encrypt(tls, shared->text, taken)) {
            return false;
        }
    }
    return true;
}

void connection_tls_flush(struct connection *connection)
{
    struct connection_tls *tls = connection->tls;
    while (
        connection->state != CONNECTION_CLOSED && !connection->is_writing &&
        ((connection->is_proved && connection_has_output(connection)) || tls->start < tls->end)) {
        bool is_filled = !connection->is_proved || fill_output(connection);
        int failure = is_filled ? write_output(connection) : UV_ENOMEM;
        if (failure < 0) {
            connection_close(connection, uv_strerror(failure));
        }
    }
}

void connection_tls_sent(struct connection *connection, size_t sent_bytes)
{
    struct connection_tls *tls = connection->tls;
    ASSERT(sent_bytes <= tls->end - tls->start);
    tls->start += sent_bytes;
}
