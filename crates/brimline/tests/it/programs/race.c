/* Four threads churn blocks of sizes that move when they grow, in one arena, so that an address that one thread's
   realloc gives up is handed to another at once. Each keeps `keep` blocks of 96 bytes. */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

static int keep_each;

void one_arena(void) { mallopt(M_ARENA_MAX, 1); }

void churn(int keep) {
    void **kept = malloc(sizeof(void *) * (size_t)keep);
    void *moving[16] = {0};
    for (int n = 0; n < keep; n++) {
        kept[n] = malloc(24);
        for (int step = 0; step < 4; step++) {
            int at = (n + step) % 16;
            moving[at] = realloc(moving[at], (size_t)(24 + (n * 7 + step * 13) % 200));
        }
        kept[n] = realloc(kept[n], 96);
    }
    for (int at = 0; at < 16; at++) free(moving[at]);
}

static void *native(void *unused) {
    (void)unused;
    churn(keep_each);
    return NULL;
}

void churn_native(int threads, int keep) {
    pthread_t all[16];
    keep_each = keep;
    for (int n = 0; n < threads; n++) pthread_create(&all[n], NULL, native, NULL);
    for (int n = 0; n < threads; n++) pthread_join(all[n], NULL);
}
