#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

enum { KEPT_FAILURES = 5 };

struct counts counts;
static uint32_t *latencies; /* in tenths of a microsecond: up to 429 s */
static size_t latency_count, latency_room;
static char *failures[KEPT_FAILURES];

void latency_add(uint64_t ns) {
    if (latency_count == latency_room) {
        latency_room = latency_room != 0 ? latency_room * 2 : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (latencies == NULL) abort();
    }
    uint64_t tenths = ns / 100;
    latencies[latency_count++] = tenths < UINT32_MAX ? (uint32_t)tenths : UINT32_MAX;
}

void failure_add(const char *why) {
    if (counts.failures < KEPT_FAILURES) failures[counts.failures] = strdup(why);
    counts.failures++;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double share) {
    if (latency_count == 0) return 0;
    size_t index = (size_t)(share * (double)latency_count);
    return latencies[index < latency_count ? index : latency_count - 1] / 10.0;
}

static void text(const char *value) {
    putchar('"');
    for (; *value != 0; value++) {
        if (*value == '"' || *value == '\\') putchar('\\');
        putchar((unsigned char)*value < ' ' || (unsigned char)*value > '~' ? '?' : *value);
    }
    putchar('"');
}

void report(const char *what) {
    uint64_t now = now_ns(); /* before the sorting */
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    if (latency_count > 0) qsort(latencies, latency_count, sizeof *latencies, ascending);
    printf("{\"what\":\"%s\",\"at_ns\":%llu,\"cpu_ns\":%llu,\"answers\":%llu,\"octets\":%llu,\"opened\":%llu,"
           "\"resumed\":%llu,\"failures\":%llu,\"first_at_ns\":%llu,\"last_at_ns\":%llu,\"latencies\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"first_failures\":[",
           what, (unsigned long long)now, (unsigned long long)cpu.tv_sec * SECOND + (unsigned long long)cpu.tv_nsec,
           (unsigned long long)counts.answers, (unsigned long long)counts.octets, (unsigned long long)counts.opened,
           (unsigned long long)counts.resumed, (unsigned long long)counts.failures,
           (unsigned long long)counts.first_at, (unsigned long long)counts.last_at, latency_count, percentile(0.5),
           percentile(0.99), percentile(1));
    for (uint64_t i = 0; i < counts.failures && i < KEPT_FAILURES; i++) {
        if (i > 0) putchar(',');
        text(failures[i]);
    }
    puts("]}");
    fflush(stdout);
    latency_count = 0;
}
