/* Blocks of LANES elements, one element in each SIMD lane: from an L-vector and back.
 *
 * Before this come NODES_1D, LANES and `real`.
 */
#define NODES (NODES_1D * NODES_1D * NODES_1D)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef real vec __attribute__((vector_size(LANES * sizeof(real))));

/* The components of a node lie side by side in an L-vector, those of a lane in three vectors.  They are
 * turned in registers, since gathering and scattering numbers one by one takes three times as long. */
#if (LANES == 8 || LANES == 16) && defined(__AVX512VL__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) /* of gcc from 12 on */
#define TURNS_IN_REGISTERS 1
#endif
#endif
#ifdef TURNS_IN_REGISTERS
#include <immintrin.h>
#if LANES == 8
typedef __m256d Triple;
#define LOAD(p) _mm256_maskz_loadu_pd(7, p)
#define STORE(p, t) _mm256_mask_storeu_pd(p, 7, t)
#define LOW_HALVES 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH_HALVES 4, 5, 6, 7, 12, 13, 14, 15
#define FIRST_AND_SECOND 0, 4, 8, 12, 1, 5, 9, 13
#define THIRD 2, 6, 10, 14, 2, 6, 10, 14
INLINE vec join(const real *u, const int *at) {
  return (vec)__builtin_shufflevector(LOAD(u + at[0]), LOAD(u + at[1]), 0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE Triple triple(vec joined, int k) { return k ? (Triple)_mm512_extractf64x4_pd((__m512d)joined, 1) : _mm512_castpd512_pd256((__m512d)joined); }
#define JOIN_LOW 0, 4, 8, 8, 1, 5, 9, 9
#define JOIN_NEXT 2, 6, 10, 10, 3, 7, 11, 11
#define JOIN_THIRD 0, 4, 12, 12, 1, 5, 13, 13
#define JOIN_HIGH 2, 6, 14, 14, 3, 7, 15, 15
#else
typedef __m128 Triple;
#define LOAD(p) _mm_maskz_loadu_ps(7, p)
#define STORE(p, t) _mm_mask_storeu_ps(p, 7, t)
#define LOW_HALVES 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_HALVES 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define FIRST_AND_SECOND 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29
#define THIRD 2, 6, 10, 14, 18, 22, 26, 30, 2, 6, 10, 14, 18, 22, 26, 30
INLINE vec join(const real *u, const int *at) {
  __m512 joined = _mm512_castps128_ps512(LOAD(u + at[0]));
  joined = _mm512_insertf32x4(joined, LOAD(u + at[1]), 1);
  joined = _mm512_insertf32x4(joined, LOAD(u + at[2]), 2);
  return (vec)_mm512_insertf32x4(joined, LOAD(u + at[3]), 3);
}
INLINE Triple triple(vec joined, int k) {
  switch (k) {
    case 0: return _mm512_castps512_ps128((__m512)joined);
    case 1: return _mm512_extractf32x4_ps((__m512)joined, 1);
    case 2: return _mm512_extractf32x4_ps((__m512)joined, 2);
    default: return _mm512_extractf32x4_ps((__m512)joined, 3);
  }
}
#define JOIN_LOW 0, 8, 16, 16, 1, 9, 17, 17, 2, 10, 18, 18, 3, 11, 19, 19
#define JOIN_NEXT 4, 12, 20, 20, 5, 13, 21, 21, 6, 14, 22, 22, 7, 15, 23, 23
#define JOIN_THIRD 0, 8, 24, 24, 1, 9, 25, 25, 2, 10, 26, 26, 3, 11, 27, 27
#define JOIN_HIGH 4, 12, 28, 28, 5, 13, 29, 29, 6, 14, 30, 30, 7, 15, 31, 31
#endif
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif

INLINE void gather(const int *restrict offsets, const real *restrict u, vec (*restrict nodal)[NODES]) {
  for (int n = 0; n < NODES; n++) {
    const int *at = offsets + n * LANES;
#ifdef TURNS_IN_REGISTERS
    enum { FOURTH = LANES / 4 };
    const vec a = join(u, at), b = join(u, at + FOURTH), c = join(u, at + 2 * FOURTH), d = join(u, at + 3 * FOURTH);
    const vec ab = SHUFFLE(a, b, FIRST_AND_SECOND), cd = SHUFFLE(c, d, FIRST_AND_SECOND);
    nodal[0][n] = SHUFFLE(ab, cd, LOW_HALVES);
    nodal[1][n] = SHUFFLE(ab, cd, HIGH_HALVES);
    nodal[2][n] = SHUFFLE(SHUFFLE(a, b, THIRD), SHUFFLE(c, d, THIRD), LOW_HALVES);
#else
    for (int c = 0; c < 3; c++)
      UNROLL for (int l = 0; l < LANES; l++) nodal[c][n][l] = u[at[l] + c];
#endif
  }
}

/* The last block may have idle lanes, which repeat an element: they add nothing. */
INLINE void scatter_add(const int *restrict offsets, vec (*restrict nodal)[NODES], int num_lanes, real *restrict v) {
  for (int n = 0; n < NODES; n++) {
    const int *at = offsets + n * LANES;
#ifdef TURNS_IN_REGISTERS
    /* With p = 1 each node comes again within a few lanes, and must not wait for a masked store. */
    if (NODES_1D > 2 && num_lanes == LANES) {
      const vec low = SHUFFLE(nodal[0][n], nodal[1][n], LOW_HALVES), high = SHUFFLE(nodal[0][n], nodal[1][n], HIGH_HALVES);
      const vec joined[4] = {SHUFFLE(low, nodal[2][n], JOIN_LOW), SHUFFLE(low, nodal[2][n], JOIN_NEXT),
                             SHUFFLE(high, nodal[2][n], JOIN_THIRD), SHUFFLE(high, nodal[2][n], JOIN_HIGH)};
      UNROLL for (int l = 0; l < LANES; l++) {
        real *place = v + at[l];
        STORE(place, LOAD(place) + triple(joined[4 * l / LANES], l % (LANES / 4)));
      }
      continue;
    }
#endif
    for (int c = 0; c < 3; c++)
      for (int l = 0; l < num_lanes; l++) v[at[l] + c] += nodal[c][n][l];
  }
}
