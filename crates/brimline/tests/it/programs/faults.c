/* Native work whose sums are known, and the things that C code does to a process: signals at 1 kHz that map memory,
   libraries that come and go, jumps over frames. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static atomic_long total_blocks, total_bytes, live_blocks, live_bytes, signals;

static void gained(size_t size) {
    total_blocks++;
    total_bytes += (long)size;
    live_blocks++;
    live_bytes += (long)size;
}

static void lost(size_t size) {
    live_blocks--;
    live_bytes -= (long)size;
}

/* What `work` has done: allocated blocks and bytes, blocks and bytes that live; and signals received. */
long counted(int which) {
    atomic_long *all[] = {&total_blocks, &total_bytes, &live_blocks, &live_bytes, &signals};
    return *all[which];
}

/* Allocates, grows and frees in random order; blocks that were shared with other threads are freed by whoever finds
   them. What is shared at the end lives on. */
#define SHARED 1024
static struct { void *block; size_t size; } shared[SHARED];
static atomic_flag shared_lock = ATOMIC_FLAG_INIT;

void work(int rounds, unsigned seed) {
    struct { void *block; size_t size; } own[32] = {{0, 0}};
    unsigned state = seed * 2654435761u + 1;
    for (int round = 0; round < rounds; round++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        int at = state % 32;
        size_t size = 1 + (state >> 8) % (state % 97 == 0 ? 300000 : 700);
        switch ((state >> 5) % 4) {
        case 0:
            if (own[at].block) lost(own[at].size);
            own[at].block = realloc(own[at].block, size);
            gained(own[at].size = size);
            break;
        case 1:
            if (!own[at].block) {
                own[at].block = calloc(1, size);
                gained(own[at].size = size);
            }
            break;
        case 2:
            if (own[at].block) {
                lost(own[at].size);
                free(own[at].block);
                own[at].block = NULL;
            }
            break;
        default:
            while (atomic_flag_test_and_set(&shared_lock)) {}
            void *block = own[at].block;
            size_t bytes = own[at].size;
            int place = (state >> 9) % SHARED;
            own[at].block = shared[place].block, own[at].size = shared[place].size;
            shared[place].block = block, shared[place].size = bytes;
            atomic_flag_clear(&shared_lock);
        }
    }
    for (int at = 0; at < 32; at++) {
        if (own[at].block) lost(own[at].size);
        free(own[at].block);
    }
}

/* A signal handler that may interrupt anything calls only what is safe there; mapping memory is. */
static void on_signal(int number) {
    (void)number;
    signals++;
    void *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    memset(at, 1, 4096);
    void *moved = mremap(at, 65536, 131072, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) munmap(at, 65536);
    else munmap(moved, 131072);
}

static timer_t timer;

/* A thousand signals a second, to whichever thread the kernel picks. */
int storm(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    sigaction(SIGRTMIN, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) return -1;
    return timer_settime(timer, 0, &every, NULL);
}

void calm(void) { timer_delete(timer); }

/* mremap against signals that map memory, in a tight loop. */
void remap(int rounds) {
    size_t size = 65536;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < rounds && at != MAP_FAILED; round++) {
        size_t next = round % 2 ? 65536 : 262144;
        at = mremap(at, size, next, MREMAP_MAYMOVE);
        size = next;
    }
    if (at != MAP_FAILED) munmap(at, size);
}

/* Loads and unloads a library that allocates when it comes and frees when it goes. */
int load(const char *path, int rounds) {
    for (int round = 0; round < rounds; round++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) return round;
        void (*touch)(void) = (void (*)(void))dlsym(library, "touch");
        touch();
        dlclose(library);
    }
    return rounds;
}

/* Initial-exec, because other thread-local storage of a library is allocated when it is first touched. */
static __thread __attribute__((tls_model("initial-exec"))) jmp_buf back;
static __thread __attribute__((tls_model("initial-exec"))) void *dived[10];

static void dive(int depth, size_t size) {
    char room[256];
    memset(room, depth, sizeof room);
    dived[depth] = malloc(size);
    gained(size);
    if (depth == 0) longjmp(back, 1);
    dive(depth - 1, size);
}

/* Jumps out of ten frames of C that have each allocated a block; of the first jump one block stays. */
void jump(int rounds) {
    for (volatile int round = 0; round < rounds; round++) {
        size_t size = (size_t)round % 500 + 1;
        if (!setjmp(back)) dive(9, size);
        for (int depth = 0; depth < (round ? 10 : 9); depth++) {
            free(dived[depth]);
            lost(size);
        }
    }
}
