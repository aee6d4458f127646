/* Counts blocks by the line that was executing, as tracemalloc does, but without following free lists: what is counted
   is what reaches Python's allocators. Reads the interpreter through its own headers. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <frameobject.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe.h>
#elif PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#endif
#include <stdio.h>

typedef struct { PyCodeObject *code; int line; long live_bytes, live_count, total_bytes, total_count; } Line;
typedef struct { void *address; size_t size; int line; } Block;

enum { LINES = 1 << 14, BLOCKS = 1 << 22 };
static Line *lines;
static int line_count;
static Block *blocks; /* open addressing; address NULL: never used, (void *)1: removed */
static PyMemAllocatorEx original[3];
static const char *file;
static __thread int inside;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t slot_of(void *address) { return ((size_t)address >> 4) * 0x9E3779B97F4A7C15u >> 42; }

static int line_now(void) {
    PyThreadState *thread = PyGILState_GetThisThreadState();
    if (!thread) return -1;
#if PY_VERSION_HEX < 0x030b0000
    PyFrameObject *frame = thread->frame;
    if (!frame) return -1;
    PyCodeObject *code = frame->f_code;
#else
#if PY_VERSION_HEX < 0x030d0000
    struct _PyInterpreterFrame *frame = thread->cframe->current_frame;
#else
    struct _PyInterpreterFrame *frame = thread->current_frame;
#endif
    while (frame && _PyFrame_IsIncomplete(frame)) frame = frame->previous;
    if (!frame) return -1;
#if PY_VERSION_HEX < 0x030d0000
    PyCodeObject *code = frame->f_code;
#else
    PyCodeObject *code = _PyFrame_GetCode(frame);
#endif
#endif
    const char *name = PyUnicode_DATA(code->co_filename);
    size_t length = strlen(name), wanted = strlen(file);
    if (length < wanted || strcmp(name + length - wanted, file)) return -1;
#if PY_VERSION_HEX < 0x030b0000
    int number = PyFrame_GetLineNumber(frame);
#else
    int number = PyCode_Addr2Line(code, _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT));
#endif
    for (int n = 0; n < line_count; n++)
        if (lines[n].line == number) return n;
    lines[line_count].line = number;
    return line_count++;
}

static void add(void *address, size_t size) {
    pthread_mutex_lock(&lock);
    int line = line_now();
    if (line >= 0) {
        size_t at = slot_of(address) % BLOCKS;
        while ((size_t)blocks[at].address > 1) at = (at + 1) % BLOCKS;
        blocks[at] = (Block){address, size, line};
        lines[line].live_bytes += size, lines[line].live_count++;
        lines[line].total_bytes += size, lines[line].total_count++;
    }
    pthread_mutex_unlock(&lock);
}

static void forget(void *address) {
    pthread_mutex_lock(&lock);
    for (size_t at = slot_of(address) % BLOCKS; blocks[at].address; at = (at + 1) % BLOCKS)
        if (blocks[at].address == address) {
            lines[blocks[at].line].live_bytes -= blocks[at].size, lines[blocks[at].line].live_count--;
            blocks[at].address = (void *)1;
            break;
        }
    pthread_mutex_unlock(&lock);
}

static void *take(PyMemAllocatorEx *next, void *old, size_t count, size_t size, int how) {
    int outermost = inside++ == 0;
    if (outermost && old) forget(old);
    void *block = how == 0 ? next->malloc(next->ctx, size)
                : how == 1 ? next->calloc(next->ctx, count, size)
                           : next->realloc(next->ctx, old, size);
    if (outermost && block) add(block, count * size);
    inside--;
    return block;
}

static void *my_malloc(void *next, size_t size) { return take(next, NULL, 1, size, 0); }
static void *my_calloc(void *next, size_t count, size_t size) { return take(next, NULL, count, size, 1); }
static void *my_realloc(void *next, void *old, size_t size) { return take(next, old, 1, size, 2); }
static void my_free(void *next, void *block) {
    int outermost = inside++ == 0;
    if (outermost && block) forget(block);
    ((PyMemAllocatorEx *)next)->free(((PyMemAllocatorEx *)next)->ctx, block);
    inside--;
}

/* Starts counting blocks of the file whose path ends with `name`; with NULL it does nothing. */
void oracle_start(const char *name) {
    if (!name) return;
    file = strdup(name);
    lines = calloc(LINES, sizeof *lines);
    blocks = calloc(BLOCKS, sizeof *blocks);
    for (int domain = 0; domain < 3; domain++) {
        PyMem_GetAllocator(domain, &original[domain]);
        PyMemAllocatorEx mine = {&original[domain], my_malloc, my_calloc, my_realloc, my_free};
        PyMem_SetAllocator(domain, &mine);
    }
}

/* Writes what is live now, one line of numbers per line of the file. */
void oracle_write(const char *path) {
    if (!file) return;
    inside++;
    FILE *out = fopen(path, "w");
    for (int n = 0; n < line_count; n++)
        fprintf(out, "%d %ld %ld %ld %ld\n", lines[n].line, lines[n].live_bytes, lines[n].live_count,
                lines[n].total_bytes, lines[n].total_count);
    fclose(out);
    inside--;
}
