/* The two loops that find the limits of a core, see limits.py. */
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef double Vector __attribute__((vector_size(BYTES), aligned(8), may_alias));

/* Twelve chains: an addition takes four to six cycles, and two of them begin in each. */
#define CHAINS 12
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

long flops_per_cycle(void) { return CHAINS * 2 * (BYTES / 8); }

double multiply_add(long num_cycles) {
  /* Volatile, so that the compiler cannot sum the series itself. */
  volatile double start = 1.0, factor = 0.999999, summand = 1e-6;
  const Vector a = (Vector){} + factor, b = (Vector){} + summand;
#define BEGIN(k) Vector x##k = (Vector){} + (start + k);
  EACH(BEGIN)
  for (long cycle = 0; cycle < num_cycles; cycle++) {
#define STEP(k) x##k = x##k * a + b;
    EACH(STEP)
  }
  Vector sum = (Vector){};
#define END(k) sum += x##k;
  EACH(END)
  return sum[0] + sum[BYTES / 8 - 1];
}

double read_arrays(const double *memory, long length) {
  const double *a0 = memory, *a1 = memory + length, *a2 = memory + 2 * length, *a3 = memory + 3 * length;
  Vector sum[8] = {};
  const long width = BYTES / 8;
  for (long i = 0; i < length; i += 2 * width) {
#define READ(k, from, at) sum[k] += *(const Vector *)(from + i + at);
    READ(0, a0, 0) READ(1, a1, 0) READ(2, a2, 0) READ(3, a3, 0)
    READ(4, a0, width) READ(5, a1, width) READ(6, a2, width) READ(7, a3, width)
  }
  Vector total = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
  return total[0] + total[width - 1];
}
