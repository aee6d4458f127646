#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace shapes {
class Store {
public:
    void add(std::size_t bytes) {
        inlined_into_add(bytes); // line 10
    }

private:
    std::vector<void *> blocks;
    __attribute__((always_inline)) inline void inlined_into_add(std::size_t bytes) {
        blocks.push_back(std::malloc(bytes)); // line 16
    }
};

template <typename Item> struct Maker {
    static __attribute__((noinline)) Item *make(int value) { return new Item(value); }
};
} // namespace shapes

static shapes::Store &store() {
    static auto *store = new shapes::Store;
    return *store;
}

extern "C" __attribute__((noinline)) void shapes_fill(int count) {
    for (int n = 0; n < count; n++) store().add(1000);
}

struct Circle {
    double radius[512];
    explicit Circle(int value) { radius[0] = value; }
};

extern "C" void *shapes_make(int value) { void *made = shapes::Maker<Circle>::make(value); asm volatile(""); return made; }

extern "C" int shapes_throw(int count) {
    int caught = 0;
    for (int n = 0; n < count; n++) {
        try {
            throw std::string(200, 'x');
        } catch (const std::string &text) {
            caught += text.size() == 200;
        }
    }
    return caught;
}
