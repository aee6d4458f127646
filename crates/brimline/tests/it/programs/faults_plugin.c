/* A library that allocates when it is loaded and frees when it is unloaded. */
#include <stdlib.h>

static void *blocks[50];
__thread int thread_local_number;

__attribute__((constructor)) static void come(void) {
    for (int n = 0; n < 50; n++) blocks[n] = malloc(100 + (size_t)n);
}

__attribute__((destructor)) static void go(void) {
    for (int n = 0; n < 50; n++) free(blocks[n]);
}

void touch(void) { thread_local_number++; }
