#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

enum { BLOCK = 1 << 18, RECORD = 16384 };

static const struct settings *settings;
static SSL_CTX *context;
static char filling[BLOCK];
static char drain[BLOCK];

/* Ten fields, two of which are new with every request: what a hospital's settlement client sends. */
static const char HEAD[] =
    "%s %s HTTP/1.1\r\n"
    "Host: settle.example.test\r\n"
    "User-Agent: HIS-Settlement/5.2 (Linux; Java 17.0.9)\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept-Language: zh-CN,zh;q=0.9\r\n"
    "Content-Type: application/json;charset=UTF-8\r\n"
    "Content-Length: %llu\r\n"
    "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJINDEwMzAwMDAxIn0.3f9c1a7be2d84c60a5b1\r\n"
    "X-Request-Id: 7f3a91c4-0000-4000-8000-%012llx\r\n"
    "Idempotency-Key: C20261125-%016llx\r\n"
    "%s\r\n";

static const char CLAIM[] =
    "{\"claim_id\":\"C2026112500000001\",\"visit\":\"M20261125000871\",\"kind\":\"outpatient\",\"patient\":"
    "{\"id\":\"41030000001\",\"birth\":\"1961-04-17\",\"scheme\":\"employee\"},\"items\":["
    "{\"code\":\"F210300001\",\"name\":\"CT, chest, plain\",\"count\":1,\"price\":\"180.00\"},"
    "{\"code\":\"A100000473\",\"name\":\"amoxicillin 0.25 g x 24\",\"count\":2,\"price\":\"12.50\"},"
    "{\"code\":\"C300200117\",\"name\":\"blood count, 24 values\",\"count\":1,\"price\":\"15.00\"}],"
    "\"this_year\":{\"deductible\":\"500.00\",\"fund_paid\":\"1830.40\"},\"doctor\":\"D410300000219\","
    "\"department\":\"0305\",\"signed_at\":\"2026-11-25T08:00:00+08:00\",\"signature\":"
    "\"MEUCIQDk0b1u7cUo2bQ0mPZ4Vn1vQw3m8c4y5H7rW1k2o9ZtGgIgX5bT\"}";

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct client *client = SSL_get_app_data(ssl);
    struct institution *who = &settings->institutions[client->institution];
    SSL_SESSION_free(who->session);
    who->session = session;
    return 1; /* the reference is ours now */
}

/* The proxy's certificate is checked once, by the driver, before the load. SSL_VERIFY_NONE alone would still build
 * and verify the chain each time, on the load's core, and only ignore what comes out. */
static int trust(X509_STORE_CTX *store, void *unused) {
    (void)store;
    (void)unused;
    return 1;
}

void clients_prepare(const struct settings *given) {
    settings = given;
    memset(filling, 'x', sizeof filling);
    context = SSL_CTX_new(TLS_client_method());
    int version = given->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    /* One cipher and one group, so that every proxy does the same work. */
    if (context == NULL || !SSL_CTX_set_min_proto_version(context, version) ||
        !SSL_CTX_set_max_proto_version(context, version) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256") ||
        !SSL_CTX_set1_groups_list(context, given->tls12 ? "X25519:P-256" : "X25519")) {
        ERR_print_errors_fp(stderr);
        exit(2);
    }
    SSL_CTX_set_cert_verify_callback(context, trust, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* a record in one read instead of two */
    SSL_CTX_set_default_read_buffer_len(context, given->kind == DOWNLOAD ? BLOCK / 2 : RECORD);
    if (given->resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    } else {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
}

static void let_go(struct client *client) {
    if (client->ssl != NULL) {
        SSL_shutdown(client->ssl); /* without it OpenSSL would call the session unusable */
        SSL_free(client->ssl);
        client->ssl = NULL;
    }
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    client->state = CLOSED;
    ERR_clear_error();
}

static void fail(struct client *client, const char *what) {
    static const char *const STATES[] = {"closed", "connecting", "handshake", "idle", "sending", "awaiting the answer",
                                         "receiving the answer", "ending"};
    static char why[512];
    unsigned long tls = ERR_peek_last_error();
    const char *reason = tls != 0 ? ERR_reason_error_string(tls) : NULL;
    snprintf(why, sizeof why, "%s: %s%s%s", STATES[client->state], what, reason != NULL ? ": " : "",
             reason != NULL ? reason : "");
    let_go(client);
    client_failed(client, why);
}

/* After a TLS call that did not succeed: true if it is only to be called again later. */
static bool later(struct client *client, int result) {
    switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return true;
    case SSL_ERROR_ZERO_RETURN:
        fail(client, "closed by the proxy");
        return false;
    case SSL_ERROR_SYSCALL:
        fail(client, errno != 0 ? strerror(errno) : "cut off by the proxy");
        return false;
    default:
        fail(client, "TLS");
        return false;
    }
}

void client_close(struct client *client) { let_go(client); }

void client_open(struct client *client, unsigned institution) {
    int on = 1;
    client->institution = institution;
    client->readable = client->resumed = false;
    client->head_filled = 0;
    client->ssl = NULL;
    client->state = CONNECTING;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail(client, strerror(errno));
        return;
    }
    /* Every institution comes from an address of its own. */
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl((127U << 24) + (77U << 16) + (institution / 250 << 8) + 1 + institution % 250);
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = client};
    if (bind(client->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(client->fd, (const struct sockaddr *)&settings->target, settings->target_size) < 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(settings->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) {
        fail(client, strerror(errno));
    }
}

static bool begin_tls(struct client *client) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        fail(client, strerror(error));
        return false;
    }
    struct institution *who = &settings->institutions[client->institution];
    client->ssl = SSL_new(context);
    if (client->ssl == NULL || !SSL_set_fd(client->ssl, client->fd) ||
        !SSL_use_certificate(client->ssl, who->certificate) || !SSL_use_PrivateKey(client->ssl, who->key) ||
        !SSL_set_tlsext_host_name(client->ssl, "settle.example.test")) {
        fail(client, "cannot begin");
        return false;
    }
    SSL_set_app_data(client->ssl, client);
    if (settings->resume && who->session != NULL) {
        /* A copy: OpenSSL uses a TLS 1.3 ticket once and never again, and not every proxy issues a new one each time. */
        SSL_SESSION *copy = SSL_SESSION_dup(who->session);
        SSL_set_session(client->ssl, copy);
        SSL_SESSION_free(copy);
    }
    client->state = HANDSHAKING;
    return true;
}

void client_ask(struct client *client, bool last) {
    static unsigned long long serial;
    static uint64_t start;
    if (start == 0) start = now_ns(); /* other numbers than those of the run before */
    serial++;
    uint64_t body = settings->kind == POST ? sizeof CLAIM - 1 : settings->kind == UPLOAD ? settings->size : 0;
    char path[64] = "/claims/outpatient/settle";
    if (settings->kind == UPLOAD) snprintf(path, sizeof path, "/claims/documents");
    if (settings->kind == DOWNLOAD) snprintf(path, sizeof path, "/claims/bytes/%llu", (unsigned long long)settings->size);
    int written = snprintf(client->request, sizeof client->request, HEAD, settings->kind == DOWNLOAD ? "GET" : "POST",
                           path, (unsigned long long)body, serial, (unsigned long long)start + serial,
                           last ? "Connection: close\r\n" : "");
    if (settings->kind == POST) {
        memcpy(client->request + written, CLAIM, sizeof CLAIM - 1);
        written += (int)sizeof CLAIM - 1;
    }
    client->bulk_out = settings->kind == UPLOAD ? settings->size : 0;
    client->request_size = (size_t)written;
    client->request_sent = 0;
    client->head_filled = 0;
    client->readable = false; /* the answer will raise an event of its own: no read in vain */
    client->last = last;
    client->state = SENDING;
    client_drive(client, 0);
}

static bool send_request(struct client *client) {
    while (client->request_sent < client->request_size || client->bulk_out > 0) {
        bool head = client->request_sent < client->request_size;
        const char *data = head ? client->request + client->request_sent : filling;
        uint64_t size = head ? client->request_size - client->request_sent : client->bulk_out;
        errno = 0;
        int sent = SSL_write(client->ssl, data, (int)(size < RECORD ? size : RECORD));
        if (sent <= 0) {
            later(client, sent);
            return false;
        }
        if (head) {
            client->request_sent += (size_t)sent;
        } else {
            client->bulk_out -= (uint64_t)sent;
        }
    }
    client->state = AWAITING;
    return true;
}

/* Octets of the answer's body; the head is in client->head and ends at `end`. NULL as `*wrong` if all is well. */
static uint64_t understand(struct client *client, char *end, const char **wrong) {
    static char text[160];
    *end = 0;
    *wrong = NULL;
    if (strncmp(client->head, "HTTP/1.1 200 ", 13) != 0) {
        snprintf(text, sizeof text, "%.120s", client->head);
        text[strcspn(text, "\r\n")] = 0;
        *wrong = text;
        return 0;
    }
    const char *length = strcasestr(client->head, "\r\ncontent-length:");
    if (length == NULL) {
        *wrong = "an answer without Content-Length";
        return 0;
    }
    if (!client->last && strcasestr(client->head, "\r\nconnection: close") != NULL) {
        *wrong = "the proxy ends a kept connection";
        return 0;
    }
    return strtoull(length + 17, NULL, 10);
}

static bool read_head(struct client *client) {
    errno = 0;
    int got = SSL_read(client->ssl, client->head + client->head_filled,
                       (int)(sizeof client->head - 1 - client->head_filled));
    if (got <= 0) {
        if (later(client, got)) client->readable = false;
        return false;
    }
    client->head_filled += (size_t)got;
    client->head[client->head_filled] = 0;
    char *end = memmem(client->head, client->head_filled, "\r\n\r\n", 4);
    if (end == NULL) {
        if (client->head_filled == sizeof client->head - 1) {
            fail(client, "the head of the answer is too long");
            return false;
        }
        return true;
    }
    const char *wrong;
    size_t with_it = client->head_filled - (size_t)(end + 4 - client->head);
    client->body_left = understand(client, end, &wrong);
    if (wrong == NULL && with_it > client->body_left) wrong = "more octets than the answer has";
    if (wrong != NULL) {
        fail(client, wrong);
        return false;
    }
    client->body_left -= with_it;
    client->state = RECEIVING;
    return true;
}

static bool read_body(struct client *client) {
    while (client->body_left > 0) {
        errno = 0;
        int got = SSL_read(client->ssl, drain, (int)(client->body_left < BLOCK ? client->body_left : BLOCK));
        if (got <= 0) {
            if (later(client, got)) client->readable = false;
            return false;
        }
        client->body_left -= (uint64_t)got;
    }
    client->state = client->last ? ENDING : READY;
    client_answered(client, settings->kind == POST ? sizeof CLAIM - 1 : settings->size);
    return client->state == ENDING;
}

/* Nothing is asked: tickets may come, and the end. */
static void read_nothing(struct client *client) {
    char octet;
    errno = 0;
    int got = SSL_read(client->ssl, &octet, 1);
    if (got > 0) {
        fail(client, "octets that nobody asked for");
    } else if (client->state == ENDING && SSL_get_error(client->ssl, got) != SSL_ERROR_WANT_READ) {
        let_go(client);
        client_closed(client);
    } else if (later(client, got)) {
        client->readable = false;
    }
}

void client_drive(struct client *client, uint32_t events) {
    if (client->state == CLOSED) return; /* an event that was already on its way */
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) client->readable = true;
    if (client->state == CONNECTING && !begin_tls(client)) return;
    if (client->state == HANDSHAKING) {
        errno = 0;
        int done = SSL_connect(client->ssl);
        if (done <= 0) {
            later(client, done);
            return;
        }
        client->resumed = SSL_session_reused(client->ssl);
        client->state = READY;
        client_opened(client); /* which may ask at once */
        return;
    }
    if (client->state == SENDING && !send_request(client)) return;
    while (client->state == AWAITING && client->readable) {
        if (!read_head(client)) return;
    }
    if (client->state == RECEIVING && !read_body(client)) return;
    if ((client->state == READY || client->state == ENDING) && client->readable) read_nothing(client);
}
