/* Interpolation between two degrees on the same elements, and its transpose.
 *
 * Defined before this text: `real`, LANES, NC and NF (nodes per direction of the coarse and the fine
 * element), and the matrix B[NF][NC].  A block of LANES elements goes through at once, one in each
 * lane of the vector registers. */

#include <stddef.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NODES_C (NC * NC * NC)
#define NODES_F (NF * NF * NF)

/* v[a][o][z] = sum_i M[o * rows + i * columns] u[a][i][z] */
ALWAYS_INLINE void contract(int before, int num_in, int num_out, int after, int rows, int columns,
                            const real *M, const real (*restrict u)[LANES],
                            real (*restrict v)[LANES]) {
  for (int a = 0; a < before; ++a)
    for (int o = 0; o < num_out; ++o)
      for (int z = 0; z < after; ++z) {
        real sum[LANES] = {0};
        for (int i = 0; i < num_in; ++i) {
          const real m = M[o * rows + i * columns];
          const real *value = u[(a * num_in + i) * after + z];
          _Pragma("omp simd") for (int l = 0; l < LANES; ++l) sum[l] += m * value[l];
        }
        real *result = v[(a * num_out + o) * after + z];
        _Pragma("omp simd") for (int l = 0; l < LANES; ++l) result[l] = sum[l];
      }
}

ALWAYS_INLINE void gather(int lanes, int num_nodes, const int *restrict nodes,
                          const real *restrict x, real (*restrict u)[LANES]) {
  for (int l = 0; l < LANES; ++l)
    for (int n = 0; n < num_nodes; ++n) {
      /* Lanes beyond the last element repeat it: what they compute is not used. */
      const real *value = x + 3 * (ptrdiff_t)nodes[(l < lanes ? l : lanes - 1) * num_nodes + n];
      for (int c = 0; c < 3; ++c) u[3 * n + c][l] = value[c];
    }
}

/* Overwrite the nodes of the elements: those that share a node agree on its value. */
void prolong(ptrdiff_t num_elements, const int *restrict coarse, const int *restrict fine,
             const real *restrict x, real *restrict y) {
  for (ptrdiff_t e = 0; e < num_elements; e += LANES) {
    const int lanes = num_elements - e < LANES ? (int)(num_elements - e) : LANES;
    real u[3 * NODES_C][LANES], v[3 * NC * NC * NF][LANES], w[3 * NC * NF * NF][LANES];
    real result[3 * NODES_F][LANES];
    gather(lanes, NODES_C, coarse + e * NODES_C, x, u);
    contract(NC * NC, NC, NF, 3, NC, 1, B[0], u, v);
    contract(NC, NC, NF, 3 * NF, NC, 1, B[0], v, w);
    contract(1, NC, NF, 3 * NF * NF, NC, 1, B[0], w, result);
    for (int l = 0; l < lanes; ++l)
      for (int n = 0; n < NODES_F; ++n) {
        real *node = y + 3 * (ptrdiff_t)fine[(e + l) * NODES_F + n];
        for (int c = 0; c < 3; ++c) node[c] = result[3 * n + c][l];
      }
  }
}

/* Add the transpose: each element gives its share of each node. */
void restrict_add(ptrdiff_t num_elements, const int *restrict coarse, const int *restrict fine,
                  const real *restrict x, real *restrict y) {
  for (ptrdiff_t e = 0; e < num_elements; e += LANES) {
    const int lanes = num_elements - e < LANES ? (int)(num_elements - e) : LANES;
    real u[3 * NODES_F][LANES], v[3 * NC * NF * NF][LANES], w[3 * NC * NC * NF][LANES];
    real result[3 * NODES_C][LANES];
    gather(lanes, NODES_F, fine + e * NODES_F, x, u);
    contract(1, NF, NC, 3 * NF * NF, 1, NC, B[0], u, v);
    contract(NC, NF, NC, 3 * NF, 1, NC, B[0], v, w);
    contract(NC * NC, NF, NC, 3, 1, NC, B[0], w, result);
    for (int l = 0; l < lanes; ++l)
      for (int n = 0; n < NODES_C; ++n) {
        real *node = y + 3 * (ptrdiff_t)coarse[(e + l) * NODES_C + n];
        for (int c = 0; c < 3; ++c) node[c] += result[3 * n + c][l];
      }
  }
}
