/* The load client: institutions that present a certificate and settle claims, which wrk cannot do.
 *
 *   load --mode keep|idle|connect|rush --target IP:PORT --certificates FILE --institutions N --connections N ...
 *
 *   keep     connections are opened, then each asks again as soon as it has its answer (closed loop), or, with
 *            --rate, requests begin at fixed times whatever the proxy does (open loop; the latency counts from the
 *            time at which a request should have begun, so a stall is not hidden by the requests it held up)
 *   idle     each connection asks once and stays open
 *   connect  each request on a connection of its own; --resume uses the tickets of earlier ones
 *   rush     all connect within --over milliseconds and ask once
 *
 * Says "ready" on standard output when its connections are open (connect: when every institution has a ticket; rush:
 * at once, it begins at "go"). Commands on standard input: "mark" reports the counts so far, "stop" lets the requests
 * under way end, reports and exits. Reports are lines of JSON. Anything but a complete 200 is a failure.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "report.h"

enum { EVENTS = 512, OPENING_AT_A_TIME = 32 };
enum mode { KEEP, IDLE, CONNECT, RUSH };

static const uint64_t PATIENCE = 10 * SECOND; /* for the answers that are still due at the end */

static struct settings settings = {.kind = POST, .size = 10 << 20};
static enum mode mode = KEEP;
static unsigned connections = 64, institutions = 1;
static double rate;
static uint64_t over = SECOND;

static struct client *clients;
static unsigned next_client, next_institution, opening, primed, finished;
static bool running, stopping; /* running: requests flow */
static uint64_t stop_by, scheduled;

/* Open loop: connections without a request, the longest idle first, and the requests that found none. */
static struct client **idle;
static unsigned idle_first, idle_count;

static void idle_put(struct client *client) { idle[(idle_first + idle_count++) % connections] = client; }

static struct client *idle_take(void) {
    struct client *client = idle[idle_first];
    idle_first = (idle_first + 1) % connections;
    idle_count--;
    return client;
}

static uint64_t due_at(uint64_t index) {
    return counts.first_at + (uint64_t)((double)index * (mode == RUSH ? (double)over / connections : 1e9 / rate));
}

static void say_ready(void) {
    running = true;
    counts.first_at = now_ns();
    report("ready");
}

static void open_next(struct client *client) {
    client->due = now_ns();
    client_open(client, next_institution++ % institutions);
}

/* Keep and idle: only so many handshakes at a time, to be polite to listen queues. */
static void open_more(void) {
    while (opening < OPENING_AT_A_TIME && next_client < connections) {
        opening++;
        open_next(&clients[next_client++]);
    }
}

static void ask_now(struct client *client) {
    client->due = now_ns();
    client_ask(client, mode == CONNECT);
}

static void all_open(void) {
    say_ready();
    for (unsigned i = 0; i < connections; i++) {
        if (clients[i].state != READY) continue;
        if (rate > 0) {
            idle_put(&clients[i]);
        } else {
            ask_now(&clients[i]);
        }
    }
}

void client_opened(struct client *client) {
    counts.opened++;
    if (client->resumed) counts.resumed++;
    switch (mode) {
    case KEEP:
        opening--;
        if (next_client == connections && opening == 0) {
            all_open();
        } else {
            open_more();
        }
        break;
    case CONNECT:
        client_ask(client, true); /* due since the connection began */
        break;
    case IDLE:
    case RUSH:
        client_ask(client, false);
        break;
    }
}

void client_answered(struct client *client, uint64_t octets) {
    counts.answers++;
    counts.octets += octets;
    counts.last_at = now_ns();
    latency_add(counts.last_at - client->due);
    switch (mode) {
    case KEEP:
        if (stopping) break;
        if (rate == 0) {
            ask_now(client);
        } else {
            idle_put(client); /* `issue` gives it the next request, which may be overdue */
        }
        break;
    case IDLE:
        opening--;
        if (next_client == connections && opening == 0) {
            say_ready();
        } else {
            open_more();
        }
        break;
    case RUSH:
        finished++;
        break;
    case CONNECT:
        break;
    }
}

void client_closed(struct client *client) {
    if (settings.resume && !running && ++primed == institutions) {
        counts = (struct counts){.failures = counts.failures};
        say_ready();
        for (unsigned i = 0; i < connections; i++) {
            if (clients[i].state == CLOSED && &clients[i] != client) open_next(&clients[i]);
        }
    }
    if (stopping || (!running && next_institution >= institutions)) return;
    open_next(client);
}

void client_failed(struct client *client, const char *why) {
    failure_add(why);
    finished++;
    if (opening > 0 && !running) opening--;
    /* Go on, so that a single failure is not multiplied by a load that has stopped; but not for ever. */
    if (mode == CONNECT && running && !stopping && counts.failures < 100) open_next(client);
    if (mode != RUSH && (counts.failures >= 1000 || !running)) {
        report("broken");
        exit(1);
    }
}

/* Begin what is due by now. Returns when the next thing is due, 0 if nothing is planned. */
static uint64_t issue(void) {
    if (!running || stopping) return 0;
    if (mode == RUSH) {
        for (; next_client < connections; next_client++) {
            if (due_at(next_client) > now_ns()) return due_at(next_client);
            clients[next_client].due = due_at(next_client);
            client_open(&clients[next_client], next_client % institutions);
        }
        return 0;
    }
    if (mode != KEEP || rate == 0) return 0;
    while (idle_count > 0) {
        if (due_at(scheduled) > now_ns()) return due_at(scheduled);
        struct client *client = idle_take();
        if (client->state != READY) continue; /* it has failed meanwhile */
        client->due = due_at(scheduled++);
        client_ask(client, false);
    }
    return 0; /* the next answer frees a connection */
}

static unsigned under_way(void) {
    unsigned count = 0;
    for (unsigned i = 0; i < connections; i++) count += clients[i].state != CLOSED && clients[i].state != READY;
    return count;
}

static void finish(void) {
    for (unsigned i = under_way(); i > 0; i--) failure_add("no answer within ten seconds");
    report("end");
    for (unsigned i = 0; i < connections; i++) {
        if (clients[i].state != CLOSED) client_close(&clients[i]);
    }
    exit(0);
}

static void obey(void) {
    static char line[64];
    ssize_t got = read(0, line, sizeof line - 1);
    if (got <= 0) exit(1); /* the driver is gone */
    line[got] = 0;
    if (strstr(line, "go") != NULL && mode == RUSH) {
        running = true;
        counts.first_at = now_ns();
        stop_by = counts.first_at + over + 3 * PATIENCE;
    }
    if (strstr(line, "mark") != NULL) report("mark");
    if (strstr(line, "stop") != NULL) {
        stopping = true;
        stop_by = now_ns() + PATIENCE;
    }
}

static void loop(void) {
    struct epoll_event events[EVENTS];
    for (;;) {
        uint64_t next = issue(), now = now_ns();
        if (stop_by != 0 && (next == 0 || next > stop_by)) next = stop_by;
        uint64_t left = next > now ? next - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};
        int count = epoll_pwait2(settings.epoll, events, EVENTS, next != 0 ? &timeout : NULL, NULL);
        if (count < 0 && errno != EINTR) {
            perror("epoll_pwait2");
            exit(1);
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                obey();
            } else {
                client_drive(events[i].data.ptr, events[i].events);
            }
        }
        bool all = mode == RUSH ? finished == connections : stopping && under_way() == 0;
        if (all || (stop_by != 0 && now_ns() >= stop_by)) finish();
    }
}

static void wrong_use(const char *text) {
    fprintf(stderr, "load: %s\n", text);
    exit(2);
}

static void read_target(char *text) {
    struct sockaddr_in *target = (struct sockaddr_in *)&settings.target;
    char *colon = strrchr(text, ':');
    if (colon == NULL) wrong_use("--target IP:PORT");
    *colon = 0;
    target->sin_family = AF_INET;
    target->sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, text, &target->sin_addr) != 1) wrong_use("--target IP:PORT");
    settings.target_size = sizeof *target;
}

static int choice(const char *text, const char *const *names) {
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) return i;
    }
    wrong_use(text);
    return 0;
}

static const char *read_options(int argc, char **argv) {
    static const char *const MODES[] = {"keep", "idle", "connect", "rush", NULL};
    static const char *const KINDS[] = {"post", "download", "upload", NULL};
    static const struct option OPTIONS[] = {
        {"mode", 1, NULL, 'm'},         {"target", 1, NULL, 't'},      {"certificates", 1, NULL, 'c'},
        {"institutions", 1, NULL, 'i'}, {"connections", 1, NULL, 'n'}, {"kind", 1, NULL, 'k'},
        {"size", 1, NULL, 's'},         {"rate", 1, NULL, 'r'},        {"over", 1, NULL, 'o'},
        {"resume", 0, NULL, 'R'},       {"tls12", 0, NULL, '2'},       {NULL, 0, NULL, 0}};
    const char *certificates = NULL;
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'm': mode = (enum mode)choice(optarg, MODES); break;
        case 't': read_target(optarg); break;
        case 'c': certificates = optarg; break;
        case 'i': institutions = (unsigned)atoi(optarg); break;
        case 'n': connections = (unsigned)atoi(optarg); break;
        case 'k': settings.kind = (enum kind)choice(optarg, KINDS); break;
        case 's': settings.size = strtoull(optarg, NULL, 10); break;
        case 'r': rate = atof(optarg); break;
        case 'o': over = strtoull(optarg, NULL, 10) * 1000000; break;
        case 'R': settings.resume = true; break;
        case '2': settings.tls12 = true; break;
        default: exit(2);
        }
    }
    if (certificates == NULL || settings.target_size == 0 || institutions == 0 || connections == 0) {
        wrong_use("--target, --certificates, --institutions and --connections are needed");
    }
    return certificates;
}

int main(int argc, char **argv) {
    const char *certificates = read_options(argc, argv);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    settings.institutions = read_institutions(certificates, institutions);
    settings.epoll = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc(connections, sizeof *clients);
    idle = calloc(connections, sizeof(struct client *));
    if (settings.epoll < 0 || clients == NULL || idle == NULL) wrong_use("out of resources");
    for (unsigned i = 0; i < connections; i++) {
        clients[i].fd = -1;
        clients[i].number = i;
    }
    clients_prepare(&settings);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(settings.epoll, EPOLL_CTL_ADD, 0, &input);
    if (mode == RUSH) {
        report("ready");
    } else if (mode != CONNECT) {
        open_more();
    } else {
        if (!settings.resume) say_ready();
        while (next_client < connections && (running || next_institution < institutions)) {
            open_next(&clients[next_client++]);
        }
    }
    loop();
}
