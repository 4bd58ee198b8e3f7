/* A settlement node that costs as little as possible: it must never be what limits a proxy.
 *
 *   node ADDRESS:PORT...
 *
 * One process, one epoll, keep-alive, any number of addresses.
 *   POST  anything            swallows the body, answers a small settlement in JSON
 *   GET   /claims/bytes/N     N octets
 *   GET   /claims/echo        the head as it arrived, for the check that every proxy adds the same fields
 *   GET   anything else       a small settlement
 * Bodies have a Content-Length or are chunked. SIGTERM ends it. "ready" on standard output says that it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, EVENTS = 256, BLOCK = 1 << 20 };

enum body { NONE, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS };

struct peer {
    int fd;
    bool listener;
    /* request */
    char head[HEAD_LIMIT];
    size_t filled; /* octets in `head` */
    enum body body;
    uint64_t left;      /* of the body or of the chunk */
    char line[64];      /* a chunk's size */
    size_t line_filled;
    /* answer */
    char answer[HEAD_LIMIT + 256];
    size_t answer_size, answer_sent;
    uint64_t bulk; /* octets of filling that follow */
};

static const char SETTLED[] =
    "{\"status\":\"settled\",\"claim_id\":\"C2026112500000001\",\"total\":\"220.00\",\"deductible\":\"0.00\","
    "\"fund_pays\":\"158.95\",\"patient_pays\":\"61.05\",\"settled_at\":\"2026-11-25T08:00:00+08:00\"}";
static char filling[BLOCK];
static int epoll_fd;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void listen_on(const char *where) {
    char host[64];
    const char *colon = strrchr(where, ':');
    if (colon == NULL || (size_t)(colon - where) >= sizeof host) {
        fprintf(stderr, "%s: not ADDRESS:PORT\n", where);
        exit(2);
    }
    memcpy(host, where, (size_t)(colon - where));
    host[colon - where] = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "%s: not an IPv4 address\n", host);
        exit(2);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) die(where);
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) die("memory");
    peer->fd = fd;
    peer->listener = true;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void accept_all(const struct peer *listener) {
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED) return;
            die("accept");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct peer *peer = calloc(1, sizeof *peer);
        if (peer == NULL) die("memory");
        peer->fd = fd;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = peer};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    }
}

static void let_go(struct peer *peer) {
    close(peer->fd);
    free(peer);
}

/* The value of a field, without leading blanks; NULL if it is absent. `head` ends in CR LF CR LF. */
static const char *field(const char *head, const char *name) {
    size_t size = strlen(name);
    for (const char *line = strchr(head, '\n'); line != NULL && line[1] != '\r'; line = strchr(line + 1, '\n')) {
        if (strncasecmp(line + 1, name, size) == 0 && line[1 + size] == ':') {
            const char *value = line + 2 + size;
            while (*value == ' ' || *value == '\t') value++;
            return value;
        }
    }
    return NULL;
}

static void answer(struct peer *peer, size_t head_size) {
    const char *content = SETTLED;
    size_t size = sizeof SETTLED - 1;
    const char *kind = "application/json";
    peer->bulk = 0;
    if (strncmp(peer->head, "GET /claims/bytes/", 18) == 0) {
        peer->bulk = strtoull(peer->head + 18, NULL, 10);
        kind = "application/octet-stream";
        size = 0;
    } else if (strncmp(peer->head, "GET /claims/echo", 16) == 0) {
        content = peer->head;
        size = head_size;
        kind = "text/plain";
    }
    int written = snprintf(peer->answer, sizeof peer->answer,
                           "HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 08:00:00 GMT\r\nContent-Type: %s\r\n"
                           "Cache-Control: no-store\r\nContent-Length: %llu\r\n\r\n",
                           kind, (unsigned long long)(size + peer->bulk));
    memcpy(peer->answer + written, content, size);
    peer->answer_size = (size_t)written + size;
    peer->answer_sent = 0;
}

/* false: the peer is gone. */
static bool send_answer(struct peer *peer) {
    while (peer->answer_sent < peer->answer_size) {
        ssize_t sent = send(peer->fd, peer->answer + peer->answer_sent, peer->answer_size - peer->answer_sent,
                            MSG_NOSIGNAL | (peer->bulk ? MSG_MORE : 0));
        if (sent < 0) return errno == EAGAIN;
        peer->answer_sent += (size_t)sent;
    }
    while (peer->bulk > 0) {
        ssize_t sent = send(peer->fd, filling, peer->bulk < BLOCK ? peer->bulk : BLOCK, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        peer->bulk -= (uint64_t)sent;
    }
    peer->answer_size = 0;
    return true;
}

static size_t least(uint64_t a, size_t b) { return a < b ? (size_t)a : b; }

/* Octets of `data` that belong to the chunked body; peer->body is NONE when it is over. */
static size_t swallow_chunks(struct peer *peer, const char *data, size_t size) {
    size_t used = 0;
    while (used < size && peer->body != NONE) {
        if (peer->body == CHUNK_DATA) {
            size_t part = least(peer->left, size - used);
            used += part;
            peer->left -= part;
            if (peer->left == 0) peer->body = CHUNK_END;
            continue;
        }
        char octet = data[used++];
        if (octet != '\n') {
            if (octet != '\r' && peer->line_filled < sizeof peer->line - 1) peer->line[peer->line_filled++] = octet;
            continue;
        }
        peer->line[peer->line_filled] = 0;
        bool empty = peer->line_filled == 0;
        peer->line_filled = 0;
        if (peer->body == CHUNK_SIZE) {
            peer->left = strtoull(peer->line, NULL, 16);
            peer->body = peer->left > 0 ? CHUNK_DATA : TRAILERS;
        } else if (peer->body == CHUNK_END) {
            peer->body = CHUNK_SIZE;
        } else if (empty) {
            peer->body = NONE;
        }
    }
    return used;
}

static size_t swallow(struct peer *peer, const char *data, size_t size) {
    if (peer->body != LENGTH) return swallow_chunks(peer, data, size);
    size_t part = least(peer->left, size);
    peer->left -= part;
    if (peer->left == 0) peer->body = NONE;
    return part;
}

/* Answer every request that is complete in what has been read. false: the peer is gone. */
static bool digest(struct peer *peer) {
    for (;;) {
        peer->head[peer->filled] = 0;
        char *end = memmem(peer->head, peer->filled, "\r\n\r\n", 4);
        if (end == NULL) return peer->filled < HEAD_LIMIT - 1;
        size_t head_size = (size_t)(end - peer->head) + 4, used = head_size;
        char after = peer->head[head_size];
        peer->head[head_size] = 0;
        const char *length = field(peer->head, "content-length"), *coding = field(peer->head, "transfer-encoding");
        peer->left = length != NULL ? strtoull(length, NULL, 10) : 0;
        peer->body = coding != NULL ? CHUNK_SIZE : peer->left > 0 ? LENGTH : NONE;
        answer(peer, head_size);
        peer->head[head_size] = after;
        if (peer->body != NONE) used += swallow(peer, peer->head + used, peer->filled - used);
        peer->filled -= used;
        memmove(peer->head, peer->head + used, peer->filled);
        if (peer->body != NONE) return true;
        if (!send_answer(peer)) return false;
        if (peer->answer_size > 0 || peer->filled == 0) return true;
    }
}

/* Take the rest of a body. 1: complete, 0: more is to come, -1: the peer is gone. */
static int take_body(struct peer *peer) {
    static char block[BLOCK];
    while (peer->body != NONE) {
        /* MSG_TRUNC lets TCP throw octets away without copying them. Of chunks the sizes must be read. */
        bool discard = peer->body == LENGTH || (peer->body == CHUNK_DATA && peer->left >= HEAD_LIMIT);
        ssize_t got = recv(peer->fd, block, discard ? least(peer->left, BLOCK) : BLOCK, discard ? MSG_TRUNC : 0);
        if (got == 0) return -1;
        if (got < 0) return errno == EAGAIN ? 0 : -1;
        if (swallow(peer, block, (size_t)got) < (size_t)got) return -1; /* no proxy pipelines */
    }
    return 1;
}

/* `ending`: the other side has closed, so there will be no further event to wait for. */
static bool serve(struct peer *peer, bool ending) {
    for (;;) {
        if (peer->body != NONE) {
            int done = take_body(peer);
            if (done <= 0) return done == 0;
            if (!send_answer(peer)) return false;
        }
        if (peer->answer_size > 0) {
            if (!send_answer(peer)) return false;
            if (peer->answer_size > 0) return true; /* nobody sends a second request before the first answer */
        }
        ssize_t got = recv(peer->fd, peer->head + peer->filled, HEAD_LIMIT - 1 - peer->filled, 0);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN;
        bool full = (size_t)got == HEAD_LIMIT - 1 - peer->filled;
        peer->filled += (size_t)got;
        if (!digest(peer)) return false;
        /* Less than asked for: nothing more is there, and whatever comes raises a new event. */
        if (!full && peer->body == NONE && !ending) return true;
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: node ADDRESS:PORT...\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    memset(filling, 'x', sizeof filling);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) die("epoll_create1");
    for (int i = 1; i < argc; i++) listen_on(argv[i]);
    printf("ready\n");
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer->listener) {
                accept_all(peer);
            } else if (!serve(peer, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
                let_go(peer);
            }
        }
    }
}
