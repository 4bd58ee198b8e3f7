/* One TLS connection to the proxy that sends requests one after the other. Everything is non-blocking. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "institutions.h"

enum kind { POST, DOWNLOAD, UPLOAD };

enum state {
    CLOSED,
    CONNECTING,
    HANDSHAKING,
    READY,     /* open, nothing asked */
    SENDING,
    AWAITING,  /* the head of the answer */
    RECEIVING, /* its body */
    ENDING     /* the answer is complete, the proxy is to close */
};

struct client {
    int fd;
    SSL *ssl;
    enum state state;
    unsigned number;      /* its own, from 0 */
    unsigned institution; /* whose certificate it has shown */
    bool last;            /* the request under way says Connection: close */
    bool readable;        /* something came since the last read */
    bool resumed;
    uint64_t due;         /* when the request (or the connection) should have begun */
    /* outgoing: the head with a small body, then `bulk_out` octets of filling */
    char request[2048];
    size_t request_size, request_sent;
    uint64_t bulk_out;
    /* incoming */
    char head[4096];
    size_t head_filled;
    uint64_t body_left;
};

/* What a connection tells whoever drives it. */
void client_opened(struct client *client);
void client_answered(struct client *client, uint64_t octets);
void client_closed(struct client *client);                  /* in good order, after an answer that was the last */
void client_failed(struct client *client, const char *why); /* already closed */

struct settings {
    struct sockaddr_storage target;
    socklen_t target_size;
    int epoll;
    bool resume;
    bool tls12;
    enum kind kind;
    uint64_t size; /* octets of a download or upload */
    struct institution *institutions;
};

void clients_prepare(const struct settings *settings);
void client_open(struct client *client, unsigned institution);
void client_ask(struct client *client, bool last);
void client_drive(struct client *client, uint32_t events);
void client_close(struct client *client);

#endif
