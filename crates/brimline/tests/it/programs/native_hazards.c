/* What makes native stacks hard to follow. Every block here is kept: the caller knows how many there must be. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static void *volatile sink;

__attribute__((noinline)) static void keep(size_t bytes) { sink = malloc(bytes); }

/* Frames of a size known at run time only: the compiler addresses them by the frame pointer. */
__attribute__((noinline)) int recurse(int depth) {
    volatile char room[16 + depth % 64];
    room[0] = (char)depth;
    if (depth == 0) keep(100);
    else recurse(depth - 1);
    return room[0];
}

/* A stack aligned anew, as functions with vectors do. */
__attribute__((noinline)) int realigned(int bytes) {
    volatile char vector[64] __attribute__((aligned(64)));
    vector[0] = 1;
    keep((size_t)bytes);
    return vector[0];
}

static volatile int handled;
__attribute__((noinline)) void on_signal(int number) {
    (void)number;
    keep(200);
    handled++;
}

__attribute__((noinline)) int interrupted(int times, int on_own_stack) {
    static char room[1 << 16];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room}, before;
    struct sigaction action = {0}, old;
    action.sa_handler = on_signal;
    action.sa_flags = on_own_stack ? SA_ONSTACK : 0;
    sigaltstack(&stack, &before);
    sigaction(SIGUSR2, &action, &old);
    for (int n = 0; n < times; n++) raise(SIGUSR2);
    sigaction(SIGUSR2, &old, NULL);
    if (before.ss_sp == NULL) before.ss_flags = SS_DISABLE;
    sigaltstack(&before, NULL);
    return handled;
}

static jmp_buf back;
__attribute__((noinline)) void jump(int depth) {
    volatile char room[32];
    room[0] = (char)depth;
    if (depth > 0) {
        jump(depth - 1);
        room[1] = room[0];
        return;
    }
    keep(300);
    longjmp(back, 1);
}

__attribute__((noinline)) int jumps(int times) {
    for (volatile int n = 0; n < times; n++)
        if (setjmp(back) == 0) jump(n % 20);
    keep(301);
    return times;
}

/* Two libraries that come to lie at the same place again and again. */
int reload(const char *first, const char *second, int times) {
    int differing = 0;
    void *last = NULL;
    for (int n = 0; n < times; n++) {
        void *library = dlopen(n % 2 ? second : first, RTLD_NOW);
        if (!library) return -1;
        void (*call)(void (*)(size_t)) = (void (*)(void (*)(size_t)))dlsym(library, n % 2 ? "second_call" : "first_call");
        if (n && (void *)call != last) differing++;
        last = (void *)call;
        call(keep);
        dlclose(library);
    }
    return differing;
}

__attribute__((noinline)) static void *work(void *times) {
    for (long n = 0; n < (long)times; n++) {
        recurse((int)(n % 10));
        realigned(400);
    }
    return NULL;
}

/* Threads that Python does not know. */
int threads(int count, long times) {
    pthread_t all[64];
    for (int n = 0; n < count; n++) pthread_create(&all[n], NULL, work, (void *)times);
    for (int n = 0; n < count; n++) pthread_join(all[n], NULL);
    return count;
}

/* Ticks all the while, in whatever thread and at whatever instruction: malloc is not allowed there, the kernel is. */
static volatile int ticks;
static void tick(int number) {
    (void)number;
    if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) ticks++;
}
int ticking(int on) {
    struct itimerval every = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
    struct sigaction action = {0};
    action.sa_handler = on ? tick : SIG_IGN;
    action.sa_flags = SA_RESTART;
    if (on) sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    return ticks;
}
