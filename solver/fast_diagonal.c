/* y += sum over elements of R^T Q T Lambda^-1 T^T Q^T R s: see fast_diagonal.py.
 *
 * Before this come lanes.h and what it needs, and RATIO.  Local component c is that along axis c.
 */
enum { N = NODES_1D };

typedef struct {
  long num_elements;
  const int *offsets;      /* [block][node][lane]: place of the first component in the L-vector */
  const real *modes;       /* [block][direction][node][mode][lane]: T of each direction */
  const real *eigenvalues; /* [block][direction][mode][lane] */
  const real *axes;        /* [block][3 a + c][lane]: component a of axis c */
} Elements;

/* out[a][i][b] = sum_j M[row i + column j] in[a][j][b], with a matrix of its own in each lane. */
INLINE void change_basis(int num_a, int num_b, const vec *restrict M, int row, int column,
                         const vec *restrict in, vec *restrict out) {
  for (int a = 0; a < num_a; a++)
    for (int b = 0; b < num_b; b++) {
      vec v[N];
      UNROLL for (int j = 0; j < N; j++) v[j] = in[(a * N + j) * num_b + b];
      UNROLL for (int i = 0; i < N; i++) {
        vec sum = M[i * row] * v[0];
        UNROLL for (int j = 1; j < N; j++) sum += M[i * row + j * column] * v[j];
        out[(a * N + i) * num_b + b] = sum;
      }
    }
}

void fast_diagonal(const Elements *elements, const real *restrict s, real *restrict y) {
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  for (long block = 0; block < num_blocks; block++) {
    const long left = elements->num_elements - block * LANES;
    const int *offsets = elements->offsets + block * NODES * LANES;
    const vec *modes = (const vec *)elements->modes + block * 3 * N * N;
    const vec *lambda = (const vec *)elements->eigenvalues + block * 3 * N;
    const vec *Q = (const vec *)elements->axes + block * 9;
    vec u[3][NODES], w[NODES];

    gather(offsets, s, u);
    for (int n = 0; n < NODES; n++) {
      const vec x = u[0][n], y = u[1][n], z = u[2][n];
      UNROLL for (int c = 0; c < 3; c++) u[c][n] = Q[c] * x + Q[3 + c] * y + Q[6 + c] * z;
    }
    for (int c = 0; c < 3; c++) {
      change_basis(N * N, 1, modes, 1, N, u[c], w);
      change_basis(N, N, modes + N * N, 1, N, w, u[c]);
      change_basis(1, N * N, modes + 2 * N * N, 1, N, u[c], w);
      for (int k = 0; k < N; k++)
        for (int j = 0; j < N; j++) {
          const vec slow = (c == 2 ? (real)RATIO : 1) * lambda[2 * N + k] + (c == 1 ? (real)RATIO : 1) * lambda[N + j];
          UNROLL for (int i = 0; i < N; i++) w[(k * N + j) * N + i] /= slow + (c == 0 ? (real)RATIO : 1) * lambda[i];
        }
      change_basis(1, N * N, modes + 2 * N * N, N, 1, w, u[c]);
      change_basis(N, N, modes + N * N, N, 1, u[c], w);
      change_basis(N * N, 1, modes, N, 1, w, u[c]);
    }
    for (int n = 0; n < NODES; n++) {
      const vec x = u[0][n], y = u[1][n], z = u[2][n];
      UNROLL for (int a = 0; a < 3; a++) u[a][n] = Q[3 * a] * x + Q[3 * a + 1] * y + Q[3 * a + 2] * z;
    }
    scatter_add(offsets, u, left < LANES ? (int)left : LANES, y);
  }
}
