/* Interpolation between two degrees on the same elements, and its transpose: see solver/transfer.py.
 *
 * Before this come lines.h, NC and NF (nodes per direction of the coarse and the fine element), and the
 * matrix B[NF][NC].  Elements have node numbers, [element][node].
 */
#define NODES_C (NC * NC * NC)
#define NODES_F (NF * NF * NF)
#define FIRST (3 * NC * NF * (NC > NF ? NC : NF)) /* numbers after the first phase, at most */

/* Overwrite the nodes of the elements: those that share a node agree on its value but for rounding. */
extern "C" __global__ __launch_bounds__(THREADS) void prolong(
    long long num_elements, const int *__restrict__ coarse, const int *__restrict__ fine,
    const real *__restrict__ x, real *__restrict__ y) {
  __shared__ shared_real first_work[ELEMENTS * FIRST], second_work[ELEMENTS * FIRST];

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    EACH(t, 3 * NC * NC) {
      const int e = t / (3 * NC * NC), line = t % (3 * NC * NC);
      const int *node = coarse + (first + e) * NODES_C + line / 3;
      real in[NC], out[NF];
      UNROLL for (int k = 0; k < NC; k++) in[k] = x[3 * (long long)node[k * NC * NC] + line % 3];
      contract(&B[0][0], NC, 1, in, out);
      write_line(first_work + e * FIRST + line, 3 * NC * NC, out);
    }
    __syncthreads();
    EACH(t, 3 * NC * NF) {
      const int e = t / (3 * NC * NF), line = t % (3 * NC * NF), k = line / (3 * NC), ic = line % (3 * NC);
      real in[NC], out[NF];
      read_line(first_work + e * FIRST + k * 3 * NC * NC + ic, 3 * NC, in);
      contract(&B[0][0], NC, 1, in, out);
      write_line(second_work + e * FIRST + k * 3 * NC * NF + ic, 3 * NC, out);
    }
    __syncthreads();
    EACH(t, 3 * NF * NF) {
      const int e = t / (3 * NF * NF), line = t % (3 * NF * NF), kj = line / 3, c = line % 3;
      const int *node = fine + (first + e) * NODES_F + kj * NF;
      real in[NC], out[NF];
      read_line(second_work + e * FIRST + kj * 3 * NC + c, 3, in);
      contract(&B[0][0], NC, 1, in, out);
      UNROLL for (int i = 0; i < NF; i++) y[3 * (long long)node[i] + c] = out[i];
    }
    __syncthreads();
  }
}

/* Add the transpose: each element gives its share of each node. */
extern "C" __global__ __launch_bounds__(THREADS) void restrict_add(
    long long num_elements, const int *__restrict__ coarse, const int *__restrict__ fine,
    const real *__restrict__ x, real *__restrict__ y) {
  __shared__ shared_real first_work[ELEMENTS * FIRST], second_work[ELEMENTS * FIRST];

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    EACH(t, 3 * NF * NF) {
      const int e = t / (3 * NF * NF), line = t % (3 * NF * NF), kj = line / 3, c = line % 3;
      const int *node = fine + (first + e) * NODES_F + kj * NF;
      real in[NF], out[NC];
      UNROLL for (int i = 0; i < NF; i++) in[i] = x[3 * (long long)node[i] + c];
      contract(&B[0][0], 1, NC, in, out);
      write_line(first_work + e * FIRST + kj * 3 * NC + c, 3, out);
    }
    __syncthreads();
    EACH(t, 3 * NC * NF) {
      const int e = t / (3 * NC * NF), line = t % (3 * NC * NF), k = line / (3 * NC), ic = line % (3 * NC);
      real in[NF], out[NC];
      read_line(first_work + e * FIRST + k * 3 * NC * NF + ic, 3 * NC, in);
      contract(&B[0][0], 1, NC, in, out);
      write_line(second_work + e * FIRST + k * 3 * NC * NC + ic, 3 * NC, out);
    }
    __syncthreads();
    EACH(t, 3 * NC * NC) {
      const int e = t / (3 * NC * NC), line = t % (3 * NC * NC), c = line % 3;
      const int *node = coarse + (first + e) * NODES_C + line / 3;
      real in[NF], out[NC];
      read_line(second_work + e * FIRST + line, 3 * NC * NC, in);
      contract(&B[0][0], 1, NC, in, out);
      UNROLL for (int k = 0; k < NC; k++) atomicAdd(&y[3 * (long long)node[k * NC * NC] + c], out[k]);
    }
    __syncthreads();
  }
}
