/* Wrappers around Python's three allocators that count the outermost requests of threads that switched counting on.
   Independent of brimline: stacked on whatever is installed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
} Allocator;

static Allocator original[3];
static atomic_long blocks, bytes;
static __thread int counting, inside;

static void note(void *block, size_t size) {
    if (block && counting && !inside) {
        blocks++;
        bytes += (long)size;
    }
}

static void *counted_malloc(void *context, size_t size) {
    Allocator *next = context;
    inside++;
    void *block = next->malloc(next->context, size);
    inside--;
    note(block, size);
    return block;
}

static void *counted_calloc(void *context, size_t count, size_t size) {
    Allocator *next = context;
    inside++;
    void *block = next->calloc(next->context, count, size);
    inside--;
    note(block, count * size);
    return block;
}

static void *counted_realloc(void *context, void *old, size_t size) {
    Allocator *next = context;
    inside++;
    void *block = next->realloc(next->context, old, size);
    inside--;
    note(block, size);
    return block;
}

static void counted_free(void *context, void *block) {
    Allocator *next = context;
    next->free(next->context, block);
}

void shim_install(void) {
    void (*get)(int, Allocator *) = (void (*)(int, Allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void (*set)(int, Allocator *) = (void (*)(int, Allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    for (int domain = 0; domain < 3; domain++) {
        get(domain, &original[domain]);
        Allocator mine = {&original[domain], counted_malloc, counted_calloc, counted_realloc, counted_free};
        set(domain, &mine);
    }
}

void shim_start(void) { counting = 1; }
void shim_stop(void) { counting = 0; }
long shim_blocks(void) { return blocks; }
long shim_bytes(void) { return bytes; }

/* Plain mallocs of a known sum: block n has first + n bytes; each third is freed again, each fifth grown by 100. */
static void *kept[1 << 16];
static int kept_count;

long native_burst(int count, int first) {
    long live = 0;
    for (int n = 0; n < count; n++) {
        size_t size = (size_t)(first + n);
        void *block = malloc(size);
        if (n % 3 == 0) {
            free(block);
            continue;
        }
        if (n % 5 == 0) {
            size += 100;
            block = realloc(block, size);
        }
        kept[kept_count++] = block;
        live += (long)size;
    }
    return live;
}

long native_aligned(int count) {
    long live = 0;
    for (int n = 0; n < count; n++) {
        void *block = NULL;
        switch (n % 4) {
        case 0: block = calloc(3, 50); live += 150; break;
        case 1: if (posix_memalign(&block, 64, 200)) return -1; live += 200; break;
        case 2: block = aligned_alloc(32, 320); live += 320; break;
        default: block = reallocarray(NULL, 7, 30); live += 210; break;
        }
        kept[kept_count++] = block;
    }
    return live;
}
