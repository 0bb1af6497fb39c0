/* An app that says when it began: STAMP FIFO [PORT]
 *
 * Its first act is to read the clock, so its own start-up is in no figure. With a port it listens there, and
 * says so when it closes the listener on SIGUSR1, and lives on.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void say(const char *fifo, const char *what, long long at) {
    int to = open(fifo, O_WRONLY | O_CLOEXEC);
    dprintf(to, "%s %d %lld\n", what, (int)getpid(), at); /* below PIPE_BUF: lines are never mixed */
    close(to);
}

static int open_listener(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) exit(1);
    return listener;
}

static int listener = -1;
static const char *fifo;

static void close_listener(int signal_number) {
    (void)signal_number;
    say(fifo, "closed", now()); /* before it is true: the manager may end us at once */
    close(listener);
}

/* Who only connects hears nothing; who asks by HTTP is told that all is well. */
static void answer(int client) {
    static const char ok[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct timeval patience = {.tv_usec = 100000};
    char asked[4096];
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (read(client, asked, sizeof asked) > 0 && write(client, ok, sizeof ok - 1) < 0) _exit(1);
    close(client);
}

int main(int count, char **words) {
    long long began = now();
    fifo = words[1];
    say(fifo, "began", began);
    if (count > 2) {
        listener = open_listener(atoi(words[2]));
        signal(SIGUSR1, close_listener);
    }
    for (;;) {
        if (listener < 0) pause();
        int taken = accept(listener, NULL, NULL);
        if (taken >= 0) answer(taken);
        else if (fcntl(listener, F_GETFD) < 0) listener = -1;
    }
}
