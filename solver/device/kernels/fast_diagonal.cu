/* y += sum over elements of R^T Q T Lambda^-1 T^T Q^T R s: see solver/fast_diagonal.py.
 *
 * Before this come lines.h, NODES_1D and RATIO.  Local component c is that along axis c.  A task is a
 * line with its three components, for which a matrix of the element is read once.
 */
#define NODES (NODES_1D * NODES_1D * NODES_1D)

/* In place: values[c][i] = sum_j M[i row + j column] values[c][j], with a matrix in memory. */
INLINE void change_basis(const real *M, int row, int column, real (&values)[3][NODES_1D]) {
  real sums[3][NODES_1D];
  UNROLL for (int i = 0; i < NODES_1D; i++)
    UNROLL for (int j = 0; j < NODES_1D; j++) {
      const real entry = M[i * row + j * column];
      UNROLL for (int c = 0; c < 3; c++) sums[c][i] = j == 0 ? entry * values[c][j] : sums[c][i] + entry * values[c][j];
    }
  UNROLL for (int c = 0; c < 3; c++)
    UNROLL for (int i = 0; i < NODES_1D; i++) values[c][i] = sums[c][i];
}

INLINE void read_lines(const shared_real *line, int step, real (&values)[3][NODES_1D]) {
  UNROLL for (int c = 0; c < 3; c++) read_line(line + c, step, values[c]);
}

INLINE void write_lines(shared_real *line, int step, const real (&values)[3][NODES_1D]) {
  UNROLL for (int c = 0; c < 3; c++) write_line(line + c, step, values[c]);
}

/* modes [element][direction][node][mode], eigenvalues [element][direction][mode], axes [element][3 a + c]:
 * component a of axis c. */
extern "C" __global__ __launch_bounds__(THREADS) void fast_diagonal(
    long long num_elements, const int *__restrict__ offsets, const real *__restrict__ modes,
    const real *__restrict__ eigenvalues, const real *__restrict__ axes, const real *__restrict__ s,
    real *__restrict__ y) {
  constexpr int N = NODES_1D;
  __shared__ shared_real work[ELEMENTS * 3 * NODES];

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    EACH(t, N * N) {
      const int e = t / (N * N), ji = t % (N * N);
      const int *place = offsets + (first + e) * NODES + ji;
      const real *Q = axes + (first + e) * 9;
      real values[3][N];
      UNROLL for (int k = 0; k < N; k++) {
        const real *x = s + place[k * N * N];
        UNROLL for (int c = 0; c < 3; c++) values[c][k] = Q[c] * x[0] + Q[3 + c] * x[1] + Q[6 + c] * x[2];
      }
      change_basis(modes + ((first + e) * 3 + 2) * N * N, 1, N, values);
      write_lines(work + (e * NODES + ji) * 3, 3 * N * N, values);
    }
    __syncthreads();
    EACH(t, N * N) {
      const int e = t / (N * N), i = t % N, k = t / N % N;
      shared_real *line = work + (e * NODES + k * N * N + i) * 3;
      real values[3][N];
      read_lines(line, 3 * N, values);
      change_basis(modes + ((first + e) * 3 + 1) * N * N, 1, N, values);
      write_lines(line, 3 * N, values);
    }
    __syncthreads();
    EACH(t, N * N) {
      const int e = t / (N * N), j = t % N, k = t / N % N;
      const real *T = modes + (first + e) * 3 * N * N, *lambda = eigenvalues + (first + e) * 3 * N;
      shared_real *line = work + (e * NODES + (k * N + j) * N) * 3;
      real values[3][N];
      read_lines(line, 3, values);
      change_basis(T, 1, N, values);
      UNROLL for (int c = 0; c < 3; c++) {
        const real slow = (c == 2 ? (real)RATIO : 1) * lambda[2 * N + k] + (c == 1 ? (real)RATIO : 1) * lambda[N + j];
        UNROLL for (int i = 0; i < N; i++) values[c][i] /= slow + (c == 0 ? (real)RATIO : 1) * lambda[i];
      }
      change_basis(T, N, 1, values);
      write_lines(line, 3, values);
    }
    __syncthreads();
    EACH(t, N * N) {
      const int e = t / (N * N), i = t % N, k = t / N % N;
      shared_real *line = work + (e * NODES + k * N * N + i) * 3;
      real values[3][N];
      read_lines(line, 3 * N, values);
      change_basis(modes + ((first + e) * 3 + 1) * N * N, N, 1, values);
      write_lines(line, 3 * N, values);
    }
    __syncthreads();
    EACH(t, N * N) {
      const int e = t / (N * N), ji = t % (N * N);
      const int *place = offsets + (first + e) * NODES + ji;
      const real *Q = axes + (first + e) * 9;
      real values[3][N];
      read_lines(work + (e * NODES + ji) * 3, 3 * N * N, values);
      change_basis(modes + ((first + e) * 3 + 2) * N * N, N, 1, values);
      UNROLL for (int k = 0; k < N; k++) {
        real *x = y + place[k * N * N];
        UNROLL for (int a = 0; a < 3; a++)
          atomicAdd(x + a, Q[3 * a] * values[0][k] + Q[3 * a + 1] * values[1][k] + Q[3 * a + 2] * values[2][k]);
      }
    }
    __syncthreads();
  }
}
