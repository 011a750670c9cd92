/* The words of CUDA for one core: what stands before a text of kernels in a simulated device.
 *
 * One block runs at a time.  Its threads are fibers, contexts with stacks of their own, which change at
 * barriers only: a thread runs to its barrier before the next one starts.  Which is next is chosen, so
 * that a missing barrier shows in one order if not in another.  A fiber whose thread ends without a
 * barrier goes on with the next thread: kernels without barriers are plain loops.
 */
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
/* In a section of its own, which is poisoned before each block.  Only in kernels: variables of inline
 * functions cannot be placed. */
#define __shared__ static __attribute__((section("simulated_shared"), used))
#define __syncthreads() simulator::wait(__LINE__)

struct Index {
  unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

/* One thread at a time is always atomic. */
template <class Number>
static Number simulated_add(Number *place, Number value) {
  const Number before = *place;
  *place = before + value;
  return before;
}
/* The types that CUDA has; others shall not compile here either. */
static inline int atomicAdd(int *p, int v) { return simulated_add(p, v); }
static inline unsigned atomicAdd(unsigned *p, unsigned v) { return simulated_add(p, v); }
static inline unsigned long long atomicAdd(unsigned long long *p, unsigned long long v) {
  return simulated_add(p, v);
}
static inline float atomicAdd(float *p, float v) { return simulated_add(p, v); }
static inline double atomicAdd(double *p, double v) { return simulated_add(p, v); }

using std::max;
using std::min;

/* Bounds of the section; weak, as it is missing where no kernel shares memory. */
extern "C" __attribute__((weak, visibility("hidden"))) char __start_simulated_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) char __stop_simulated_shared[];

namespace simulator {

enum { STACK = 1 << 18, GUARD = 1 << 16 }; /* bytes; a page has 64 KiB at most */
enum Order { FORWARDS, BACKWARDS, SHUFFLED };
enum Failure { NONE, ENDED, APART, MEMORY };

/* What `simulated.py` reads after a failure. */
struct Failed {
  long long block, thread, line, other_thread, other_line; /* line 0: the thread had ended */
};

#if defined(__x86_64__)
typedef void **Context; /* top of the stack, where the registers lie that calls preserve */

/* Leave one stack and return into another: swapcontext asks the kernel for the signal mask each time.
 * noipa: callers shall not think that registers stay as they are. */
__attribute__((naked, noinline, noipa)) static void change(Context * /* rdi: from */, Context * /* rsi: to */) {
  asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; mov %rsp, (%rdi);"
      "mov (%rsi), %rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
}

/* As if `start` had been left before its first instruction; it never returns. */
static void prepare(Context *context, char *stack, size_t size, void (*start)()) {
  *context = reinterpret_cast<void **>(stack + size) - 8;
  memset(*context, 0, 8 * sizeof(void *));
  (*context)[6] = reinterpret_cast<void *>(start);
}
#else
typedef ucontext_t Context;

static void change(Context *from, Context *to) { swapcontext(from, to); }

static void prepare(Context *context, char *stack, size_t size, void (*start)()) {
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  makecontext(context, start, 0);
}
#endif

struct Fiber {
  Context context;
  bool started = false;
  unsigned thread = 0;
  int line = 0; /* of the barrier where it waits; 0: it is idle */
};

/* The fibers of all texts: the kernel of the system grants a process so many pieces of memory only. */
struct Fibers {
  long long count;
  Fiber *all[1024]; /* as many as a block may have threads */
};

static Fibers *fibers;
static std::vector<unsigned> threads; /* of the block, in the order in which they start */
static size_t next_thread;
static Fiber *running;
static Context scheduler;
static void (*body)();
static void **arguments;
static unsigned long long random_state;

static unsigned long long draw(unsigned long long below) { /* xorshift64*, Vigna 2016 */
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (random_state * 2685821657736338717ull >> 16) % below;
}

template <class Item>
static void shuffle(std::vector<Item> &items) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw(i)]);
}

/* At a barrier, or (line 0) without work. */
static void wait(int line) {
  running->line = line;
  change(&running->context, &scheduler);
  asm volatile("" ::: "memory"); /* other threads have written */
}

static void live() {
  for (;;) {
    if (next_thread < threads.size()) {
      running->thread = threadIdx.x = threads[next_thread++];
      body();
    } else {
      wait(0);
    }
  }
}

/* Run a fiber to the next barrier, or until its thread has ended and no other is to start. */
static void resume(Fiber *fiber) {
  running = fiber;
  threadIdx.x = fiber->thread;
  if (!fiber->started) prepare(&fiber->context, reinterpret_cast<char *>(fiber) - STACK, STACK, live);
  fiber->started = true;
  change(&scheduler, &fiber->context);
}

/* A stack with its fiber above it and a guard below.  Their places differ within a page: all in the same
 * lines of the cache would throw each other out. */
static Fiber *new_fiber() {
  const size_t shift = fibers->count * 7 * 64 % 4096, size = GUARD + STACK + 4096 + sizeof(Fiber);
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  mprotect(memory, GUARD, PROT_NONE);
  return new (static_cast<char *>(memory) + GUARD + STACK + shift) Fiber;
}

/* All threads that wait must be all of the block, and wait in the same place. */
static Failure check(const std::vector<Fiber *> &waiting, Failed *failed) {
  for (Fiber *fiber : waiting)
    if (fiber->line != waiting[0]->line) {
      *failed = {blockIdx.x, waiting[0]->thread, waiting[0]->line, fiber->thread, fiber->line};
      return APART;
    }
  if (waiting.size() == blockDim.x) return NONE;
  std::vector<bool> waits(blockDim.x);
  for (Fiber *fiber : waiting) waits[fiber->thread] = true;
  const long long ended = std::find(waits.begin(), waits.end(), false) - waits.begin();
  *failed = {blockIdx.x, waiting[0]->thread, waiting[0]->line, ended, 0};
  return ENDED;
}

static Failure run_block(Order order, Failed *failed) {
  if (__start_simulated_shared) /* NaN, or -1 */
    memset(__start_simulated_shared, 0xFF, __stop_simulated_shared - __start_simulated_shared);
  if (order == SHUFFLED) shuffle(threads);
  next_thread = 0;
  std::vector<Fiber *> waiting, still;
  for (size_t used = 0; next_thread < threads.size(); ++used) {
    if (used == size_t(fibers->count)) {
      if (!(fibers->all[used] = new_fiber())) return MEMORY;
      ++fibers->count;
    }
    Fiber *fiber = fibers->all[used];
    resume(fiber);
    if (fiber->line) waiting.push_back(fiber);
  }
  while (!waiting.empty()) {
    if (const Failure failure = check(waiting, failed)) return failure;
    if (order == SHUFFLED) shuffle(waiting);
    still.clear();
    for (Fiber *fiber : waiting) {
      resume(fiber);
      if (fiber->line) still.push_back(fiber);
    }
    waiting.swap(still);
  }
  return NONE;
}

static Failure run(long long num_blocks, int num_threads, Order order, unsigned long long seed,
                   Failed *failed) {
  blockDim = {unsigned(num_threads), 1, 1};
  gridDim = {unsigned(num_blocks), 1, 1};
  random_state = seed * 2 + 1;
  threads.resize(num_threads);
  for (int i = 0; i < num_threads; ++i) threads[i] = order == BACKWARDS ? num_threads - 1 - i : i;
  /* They are where the last launch left them, in code of another text or in the midst of a kernel. */
  for (long long i = 0; i < fibers->count; ++i) fibers->all[i]->started = false;
  std::vector<unsigned> blocks(num_blocks);
  for (long long i = 0; i < num_blocks; ++i) blocks[i] = order == BACKWARDS ? num_blocks - 1 - i : i;
  if (order == SHUFFLED) shuffle(blocks);
  for (unsigned block : blocks) {
    blockIdx = {block, 0, 0};
    if (const Failure failure = run_block(order, failed)) return failure;
  }
  return NONE;
}

/* Names of types, those of NumPy. */
template <class Type>
static std::string word() {
  using Plain = std::remove_cv_t<Type>;
  if constexpr (std::is_pointer_v<Plain>) return word<std::remove_pointer_t<Plain>>() + "*";
  else if constexpr (!std::is_arithmetic_v<Plain>) return "other";
  else {
    const char *kind = std::is_floating_point_v<Plain> ? "float" : std::is_signed_v<Plain> ? "int" : "uint";
    return kind + std::to_string(8 * sizeof(Plain));
  }
}

template <class... Types>
static std::string words(void (*)(Types...)) {
  std::string all;
  ((all += word<Types>() + ","), ...);
  return all;
}

template <auto kernel, class... Types, size_t... I>
static void unpack(void (*)(Types...), std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_cv_t<Types> *>(arguments[I])...);
}

template <auto kernel, class... Types>
static void call(void (*pointer)(Types...)) {
  unpack<kernel>(pointer, std::index_sequence_for<Types...>());
}

}  // namespace simulator

/* What `simulated.py` calls, for each kernel. */
#define SIMULATED_KERNEL(name)                                                                       \
  extern "C" const char *simulated_arguments_##name() {                                              \
    static const std::string all = simulator::words(name);                                           \
    return all.c_str();                                                                              \
  }                                                                                                  \
  extern "C" int simulated_launch_##name(long long blocks, int threads, int order,                   \
                                         unsigned long long seed, void **arguments,                  \
                                         simulator::Fibers *fibers, simulator::Failed *failed) {     \
    simulator::arguments = arguments;                                                                \
    simulator::fibers = fibers;                                                                      \
    simulator::body = [] { simulator::call<name>(name); };                                  \
    return simulator::run(blocks, threads, simulator::Order(order), seed, failed);                   \
  }
