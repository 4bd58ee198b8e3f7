#include "institutions.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

struct institution *read_institutions(const char *path, unsigned most) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    struct institution *all = calloc(most, sizeof *all);
    for (unsigned i = 0; all != NULL && i < most; i++) {
        all[i].certificate = PEM_read_X509(file, NULL, NULL, NULL);
        all[i].key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        if (all[i].certificate == NULL || all[i].key == NULL) {
            fprintf(stderr, "%s: %u certificates with keys were asked for, %u are there\n", path, most, i);
            exit(2);
        }
    }
    fclose(file);
    return all;
}
