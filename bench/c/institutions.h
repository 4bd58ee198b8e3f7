/* Who the load client is: certificates with their keys, and the last session ticket of each. */
#ifndef INSTITUTIONS_H
#define INSTITUTIONS_H

#include <openssl/ssl.h>

struct institution {
    X509 *certificate;
    EVP_PKEY *key;
    SSL_SESSION *session; /* the newest ticket; NULL before the first connection */
};

/* The first `most` pairs of certificate and key from a PEM file. Ends the program if there are fewer. */
struct institution *read_institutions(const char *path, unsigned most);

#endif
