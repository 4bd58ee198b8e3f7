/* What the load client has counted, as one line of JSON for the driver. */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

struct counts {
    uint64_t answers, octets, opened, resumed, failures;
    uint64_t first_at, last_at; /* when requests began to flow, and the newest answer */
};

extern struct counts counts;

void latency_add(uint64_t ns);
void failure_add(const char *why);

/* Counts since the start; latencies since the last report. */
void report(const char *what);

#endif
