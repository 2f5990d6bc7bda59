/* test_runtime_tls.c: who has no key of the cluster does not get in, and is told why. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "quorate/error.h"
#include "support/transport_pair.h"

#define CLIENT_HELLO_BYTES_MAX 2048

static int setup_different(void **state)
{
    return transport_pair_setup_keys(state, 1, 2);
}

static int setup_dialing_plain(void **state)
{
    return transport_pair_setup_keys(state, 0, 2);
}

static int setup_dialed_plain(void **state)
{
    return transport_pair_setup_keys(state, 1, 0);
}

static bool has_logged(const struct transport_side *side, const char *words)
{
    return strstr(side->logged, words) != NULL;
}

static bool is_proved(const struct transport_side *side, node_id id)
{
    struct transport_peer_state peer;
    return transport_peer_state(side->transport, id, &peer) && peer.is_proved;
}

static void set_keys(struct transport_side *side, uint8_t first, uint8_t second)
{
    struct keyring_key keys[] = {transport_pair_key(first), transport_pair_key(second)};
    assert_int_equal(keyring_set(side->keyring, keys, second == 0 ? 1 : 2), 0);
}

static void send_one(struct transport_pair *pair)
{
    int before = pair->b.received_count;
    assert_true(transport_send(pair->a.transport, 2, vote_frame((uint64_t)before + 1)));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == before + 1);
}

static void nobody_gets_in(struct transport_pair *pair)
{
    transport_pair_run_for(pair, 200 * NS_PER_MS);
    assert_false(transport_side_is_connected(&pair->a, 2));
    assert_false(transport_side_is_connected(&pair->b, 1));
    assert_int_equal(pair->b.received_count, 0);
}

/* A listener of the test's own, in the place of the second side; its address goes to the first. */
static int listen_for(struct transport_pair *pair)
{
    struct sockaddr_in bound = {.sin_family = AF_INET,
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(bound);
    char address[32];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&bound, sizeof(bound)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &length), 0);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(bound.sin_port));
    struct transport_peer peer = {2, address};
    transport_set_peers(pair->a.transport, &peer, 1);
    return listener;
}

static int accept_first(struct transport_pair *pair, int listener)
{
    int descriptor = -1;
    WAIT_FOR(pair, (descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    return descriptor;
}

/* A whole ClientHello of the first side, caught on its way. */
static size_t client_hello(struct transport_pair *pair, uint8_t *out)
{
    int listener = listen_for(pair);
    int descriptor = accept_first(pair, listener);
    ssize_t length = -1;
    WAIT_FOR(pair, (length = recv(descriptor, out, CLIENT_HELLO_BYTES_MAX, 0)) > 0);
    transport_set_peers(pair->a.transport, NULL, 0);
    close(descriptor);
    close(listener);
    return (size_t)length;
}

static void both_ends_are_proved(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    send_one(pair);
    assert_true(is_proved(&pair->a, 2));
    assert_int_equal(pair->a.logged_count + pair->b.logged_count, 0);
}

static uint64_t count_refused(const struct transport_side *side)
{
    struct transport_stats stats;
    transport_stats(side->transport, &stats);
    return stats.peers_refused;
}

static void another_secret_is_refused_in_words_at_both_ends(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, has_logged(&pair->a, "it refused our cluster secret"));
    WAIT_FOR(pair, has_logged(&pair->b, "it has a cluster secret that this node does not have"));
    assert_true(has_logged(&pair->b, "peer_refused address=127.0.0.1"));
    nobody_gets_in(pair);
    assert_true(pair->b.logged_count <= 2); /* once a second, however often it is dialed */
    WAIT_FOR(pair, count_refused(&pair->b) > 2);
}

/* The name of a key is four bytes that anybody may say. */
static void another_secret_under_the_same_name_is_refused(void **state)
{
    struct transport_pair *pair = *state;
    struct keyring_key mine = transport_pair_key(1);
    uint8_t bytes[CLIENT_HELLO_BYTES_MAX];
    char name[KEYRING_ID_TEXT_BYTES];
    char other_name[KEYRING_ID_TEXT_BYTES];
    struct keyring_key other = transport_pair_key(2);
    keyring_id_text(keyring_id_of(&mine), name);
    keyring_id_text(keyring_id_of(&other), other_name);
    /* What a sent to b, with the name changed: the binder is over it, too. */
    size_t length = client_hello(pair, bytes);
    uint8_t *at = memmem(bytes, length, name, strlen(name));
    assert_non_null(at);
    memcpy(at, other_name, strlen(other_name));
    int descriptor = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, socket_is_closed(descriptor));
    assert_true(has_logged(&pair->b, "it has another cluster secret"));
    close(descriptor);
}

static void who_does_not_encrypt_is_refused_in_words_at_both_ends(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, has_logged(&pair->b, "it does not encrypt"));
    WAIT_FOR(pair, pair->a.answered_no > 0);
    assert_string_equal(pair->a.reason,
                        "this cluster has a secret: start with --cluster-secret-file");
    assert_true(has_logged(&pair->a, "start with --cluster-secret-file"));
    nobody_gets_in(pair);
}

static void who_encrypts_is_refused_in_words_where_there_is_no_secret(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, has_logged(&pair->b, "started without --cluster-secret-file"));
    WAIT_FOR(pair, has_logged(&pair->a, "it may have been started without the cluster's secret"));
    nobody_gets_in(pair);
}

/* As the kernel does for one that is killed: that says nothing of its secret. */
static void who_resets_a_handshake_is_not_said_to_have_no_secret(void **state)
{
    struct transport_pair *pair = *state;
    const struct linger at_once = {.l_onoff = 1};
    int listener = listen_for(pair);
    for (int round = 0; round < 2; round++) { /* at the second the first was noticed */
        int descriptor = accept_first(pair, listener);
        assert_int_equal(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
                         0);
        close(descriptor);
    }
    int descriptor = accept_first(pair, listener);
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(stats.peers_refused, 0);
    assert_int_equal(pair->a.logged_count, 0);
    close(descriptor);
    close(listener);
}

static void a_seed_is_told_why_it_was_refused(void **state)
{
    struct transport_pair *pair = *state;
    transport_dial_seed(pair->a.transport, pair->b.address);
    WAIT_FOR(pair, pair->a.seed_closed_count == 1);
    assert_non_null(strstr(pair->a.reason, "it refused our cluster secret"));
    assert_int_equal(pair->a.seed_status, QR_ERR_FOREIGN);
    assert_int_equal(pair->a.seed_ready_count, 0);
}

/* The order in which docs/security.md has a secret changed. */
static void a_key_is_changed_without_losing_a_connection(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    set_keys(&pair->b, 1, 2); /* added at one, then at the other */
    send_one(pair);
    set_keys(&pair->a, 1, 2);
    set_keys(&pair->a, 2, 1); /* used by one, then by the other */
    send_one(pair);
    set_keys(&pair->b, 2, 1);
    set_keys(&pair->b, 2, 0); /* and the old one removed */
    set_keys(&pair->a, 2, 0);
    send_one(pair);
    assert_int_equal(pair->a.disconnected_count + pair->b.disconnected_count, 0);
    /* A new connection is by the new key. */
    transport_set_peers(pair->a.transport, NULL, 0);
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    send_one(pair);
    assert_int_equal(pair->a.logged_count + pair->b.logged_count, 0);
}

static void any_key_that_is_known_lets_in_while_keys_change(void **state)
{
    struct transport_pair *pair = *state;
    set_keys(&pair->b, 2, 1); /* b sends with another already */
    transport_pair_join(pair);
    struct transport_peer a = {1, pair->a.address};
    transport_set_peers(pair->b.transport, &a, 1);
    WAIT_FOR(pair, is_proved(&pair->a, 2));
    WAIT_FOR(pair, has_logged(&pair->a, "a cluster secret that this node does not have"));
    set_keys(&pair->a, 1, 2);
    WAIT_FOR(pair, is_proved(&pair->b, 1));
}

static void garbage_is_refused(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[20000];
    const struct {
        const char *name;
        uint8_t first[8];
        size_t length;
        const char *words;
    } rows[] = {
        {"no TLS", {'G', 'E', 'T', ' '}, 64, "it does not encrypt"},
        {"a message of none",
         {0x16, 3, 1, 0, 4, 0xff},
         9,
         "it does not speak TLS as a member does"},
        {"a wrong length", {0x16, 3, 3, 0xff, 0xff}, 64, "it does not speak TLS as a member does"},
        {"a handshake without end", {0x16, 3, 3, 0x40, 0, 1, 1, 0}, 16389, "is too long"},
        {"an alert", {0x15, 3, 3, 0, 2, 2, 40}, 7, "it does not speak TLS as a member does"},
    };
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, rows[row].first, sizeof(rows[row].first));
        memset(pair->b.logged, 0, sizeof(pair->b.logged));
        time_ns end_ns = runtime_now_ns() + TRANSPORT_PAIR_WAIT_NS;
        while (!has_logged(&pair->b, rows[row].words)) { /* which is once a second */
            if (runtime_now_ns() > end_ns) {
                fail_msg("%s: %s", rows[row].name, pair->b.logged);
            }
            int descriptor = transport_side_dial_raw(&pair->b);
            assert_true(send(descriptor, bytes, rows[row].length, MSG_NOSIGNAL) > 0);
            WAIT_FOR(pair, socket_is_closed(descriptor));
            close(descriptor);
        }
    }
    assert_int_equal(pair->b.received_count, 0);
}

static void a_handshake_cut_anywhere_is_given_up(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[CLIENT_HELLO_BYTES_MAX];
    size_t length = client_hello(pair, bytes);
    for (size_t cut = 1; cut <= length; cut += 13) {
        int descriptor = transport_side_dial_raw(&pair->b);
        assert_int_equal(send(descriptor, bytes, cut, 0), (ssize_t)cut);
        shutdown(descriptor, SHUT_WR);
        WAIT_FOR(pair, socket_is_closed(descriptor));
        close(descriptor);
    }
    assert_int_equal(pair->b.received_count, 0);
    /* And it serves the next one. */
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
}

static void a_handshake_with_any_byte_changed_is_refused(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[CLIENT_HELLO_BYTES_MAX];
    size_t length = client_hello(pair, bytes);
    for (size_t at = 0; at < length; at += 7) {
        int descriptor = transport_side_dial_raw(&pair->b);
        bytes[at] ^= 0x55;
        assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
        shutdown(descriptor, SHUT_WR);
        WAIT_FOR(pair, socket_is_closed(descriptor));
        bytes[at] ^= 0x55;
        close(descriptor);
    }
    struct transport_peer_state peer;
    assert_false(transport_peer_state(pair->b.transport, 1, &peer));
    assert_int_equal(pair->b.received_count, 0);
}

/* Replayed by who has no key, it gets an answer that it cannot go on from. */
static void a_handshake_of_another_does_not_open_a_connection(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[CLIENT_HELLO_BYTES_MAX];
    uint8_t answer[4096];
    size_t length = client_hello(pair, bytes);
    int descriptor = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
    ssize_t got = -1;
    WAIT_FOR(pair, (got = recv(descriptor, answer, sizeof(answer), MSG_DONTWAIT)) > 0);
    /* A plain hello behind it is no use either. */
    length = transport_side_flat_hello(&pair->a, bytes);
    assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, socket_is_closed(descriptor));
    assert_int_equal(pair->b.refused_count + pair->b.received_count, 0);
    close(descriptor);
}

static int setup_hasty(void **state)
{
    int status = transport_pair_setup_sealed(state);
    struct transport_pair *pair = *state;
    char address[32];
    memcpy(address, pair->b.address, sizeof(address));
    transport_side_close(&pair->b);
    pair->b.hello_timeout_ns = 300 * NS_PER_MS;
    assert_int_equal(transport_side_open(&pair->b, address), 0);
    return status;
}

static void a_slow_handshake_is_given_up_in_time(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[CLIENT_HELLO_BYTES_MAX];
    (void)client_hello(pair, bytes);
    int descriptor = transport_side_dial_raw(&pair->b);
    time_ns begin_ns = runtime_now_ns();
    size_t at = 0;
    for (time_ns next_ns = begin_ns; !socket_is_closed(descriptor);) {
        if (runtime_now_ns() >= next_ns) { /* a byte now and then */
            (void)send(descriptor, bytes + at++ % 64, 1, MSG_NOSIGNAL);
            next_ns += 20 * NS_PER_MS;
        }
        transport_pair_step(pair);
        assert_true(runtime_now_ns() - begin_ns < TRANSPORT_PAIR_WAIT_NS);
    }
    assert_true(runtime_now_ns() - begin_ns >= 250 * NS_PER_MS);
    close(descriptor);
}

/* Of a server with a certificate that it has signed itself. */
static SSL_CTX *certified_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_true(context != NULL && key != NULL && certificate != NULL);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

/* A server that has a certificate instead of the key, whoever signed it. */
static void a_certificate_is_no_secret(void **state)
{
    struct transport_pair *pair = *state;
    SSL_CTX *context = certified_context();
    int listener = listen_for(pair);
    int descriptor = accept_first(pair, listener);
    SSL *ssl = SSL_new(context);
    assert_int_equal(SSL_set_fd(ssl, descriptor), 1);
    int done = 0;
    do {
        transport_pair_step(pair);
        done = SSL_accept(ssl);
    } while (done != 1 && SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ);
    assert_int_not_equal(done, 1);
    WAIT_FOR(pair, pair->a.logged_count > 0);
    assert_false(transport_side_is_connected(&pair->a, 2));
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(descriptor);
    close(listener);
    ERR_clear_error();
}

/* What the first side has for a key, as OpenSSL takes it. */
static int use_key(SSL *ssl, const EVP_MD *digest, const unsigned char **identity,
                   size_t *identity_bytes, SSL_SESSION **session)
{
    static char name[KEYRING_ID_TEXT_BYTES];
    static const uint8_t suite[] = {0x13, 0x02};
    struct keyring_key key = transport_pair_key(1);
    uint8_t secret[KEYRING_KEY_BYTES];
    (void)digest;
    keyring_id_text(keyring_id_of(&key), name);
    *identity = (const unsigned char *)name;
    *identity_bytes = strlen(name);
    *session = SSL_SESSION_new();
    assert_int_equal(keyring_derive(key.bytes, sizeof(key.bytes), KEYRING_FOR_TLS, secret), 0);
    assert_int_equal(SSL_SESSION_set1_master_key(*session, secret, sizeof(secret)), 1);
    assert_int_equal(SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, suite)), 1);
    assert_int_equal(SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION), 1);
    return 1;
}

/* Each is answered, and of an incoming connection nobody takes the answers away. */
static void who_asks_for_new_keys_without_end_is_refused(void **state)
{
    struct transport_pair *pair = *state;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_psk_use_session_callback(context, use_key);
    assert_int_equal(SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384"), 1);
    int descriptor = transport_side_dial_raw(&pair->b);
    assert_int_equal(fcntl(descriptor, F_SETFL, O_NONBLOCK), 0);
    SSL *ssl = SSL_new(context);
    assert_int_equal(SSL_set_fd(ssl, descriptor), 1);
    WAIT_FOR(pair, SSL_connect(ssl) == 1);
    struct transport_stats stats = {0};
    time_ns end_ns = runtime_now_ns() + TRANSPORT_PAIR_WAIT_NS;
    unsigned count = 0;
    while (stats.frames_refused == 0 && runtime_now_ns() < end_ns) {
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1) {
            count++;
        }
        transport_pair_step(pair);
        transport_stats(pair->b.transport, &stats);
    }
    assert_int_equal(stats.frames_refused, 1);
    assert_true(count > 100); /* for now and then anybody may ask */
    assert_true(has_logged(&pair->b, "it asks for new keys again and again"));
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(descriptor);
    ERR_clear_error();
}

/* The sender changes the key of the records behind every 65,536 of them. */
static void a_connection_outlives_the_keys_of_its_records(void **state)
{
    struct transport_pair *pair = *state;
    const uint64_t count = 70000;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    for (uint64_t term = 1; term <= count; term++) {
        assert_true(transport_send(pair->a.transport, 2, vote_frame(term)));
        transport_flush(pair->a.transport); /* a record each, as a rule */
        if (term % 100 == 0) {
            WAIT_FOR(pair, pair->b.received_count == (int)term);
        }
    }
    assert_true(pair->b.is_in_order);
    assert_int_equal(pair->a.disconnected_count, 0);
}

/* What is under way when the socket is full waits encrypted, and is let go with the connection. */
static void a_connection_may_end_while_much_waits(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    /* No more than it takes: the kernel ends what stands still for 5 s. */
    bool is_taken = true;
    for (int i = 0; i < 100000 && is_taken; i++) {
        is_taken = transport_send(pair->a.transport, 2, vote_frame((uint64_t)i + 1));
        if (i % 1000 == 0) {
            transport_flush(pair->a.transport);
        }
    }
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_true(stats.queued_bytes > 0 && stats.messages_dropped > 0);
    transport_set_peers(pair->a.transport, NULL, 0);
    transport_pair_run_for(pair, 20 * NS_PER_MS);
}

#define TLS_TEST(name) SETUP_TEST(name, transport_pair_setup_sealed)
#define SETUP_TEST(name, setup)                                                                    \
    cmocka_unit_test_setup_teardown(name, setup, transport_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(both_ends_are_proved),
        SETUP_TEST(another_secret_is_refused_in_words_at_both_ends, setup_different),
        SETUP_TEST(another_secret_under_the_same_name_is_refused, setup_different),
        SETUP_TEST(who_does_not_encrypt_is_refused_in_words_at_both_ends, setup_dialing_plain),
        SETUP_TEST(who_encrypts_is_refused_in_words_where_there_is_no_secret, setup_dialed_plain),
        TLS_TEST(who_resets_a_handshake_is_not_said_to_have_no_secret),
        SETUP_TEST(a_seed_is_told_why_it_was_refused, setup_different),
        TLS_TEST(a_key_is_changed_without_losing_a_connection),
        TLS_TEST(any_key_that_is_known_lets_in_while_keys_change),
        TLS_TEST(garbage_is_refused),
        TLS_TEST(a_handshake_cut_anywhere_is_given_up),
        TLS_TEST(a_handshake_with_any_byte_changed_is_refused),
        TLS_TEST(a_handshake_of_another_does_not_open_a_connection),
        SETUP_TEST(a_slow_handshake_is_given_up_in_time, setup_hasty),
        TLS_TEST(a_certificate_is_no_secret),
        TLS_TEST(who_asks_for_new_keys_without_end_is_refused),
        TLS_TEST(a_connection_outlives_the_keys_of_its_records),
        TLS_TEST(a_connection_may_end_while_much_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
