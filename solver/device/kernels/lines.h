/* What all kernels over elements share: each thread takes whole lines of numbers.
 *
 * Before this come `real`, ELEMENTS (of a block) and THREADS (of a block).
 *
 * A block works on ELEMENTS elements at a time, in phases with a barrier after each.  In a phase, tasks
 * are lines of nodes or points along one direction: a thread reads a line from shared memory into
 * registers, does all its sums there, and writes a line.  So a number of shared memory is read once and
 * written once in each phase, however many sums it enters.  Components of a node or point lie side by
 * side, and neighbouring threads take neighbouring components: their numbers come in whole lines of
 * memory from L-vectors, and from different banks.
 */
#define INLINE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")

typedef real shared_real; /* one that lies in shared memory */

/* All tasks of a phase, for the num_here elements of the block; element t / count, its task t % count. */
#define EACH(t, count) \
  for (int t = threadIdx.x; t < ELEMENTS * (count) && t < num_here * (count); t += THREADS)

/* All groups of elements of a block; there is one unless the grid is smaller than the mesh. */
#define GROUPS(first, num_elements)                                                 \
  for (long long first = (long long)blockIdx.x * ELEMENTS; first < (num_elements); \
       first += (long long)gridDim.x * ELEMENTS)

INLINE int elements_here(long long num_elements, long long first) {
  return num_elements - first < ELEMENTS ? (int)(num_elements - first) : ELEMENTS;
}

template <int size>
INLINE void read_line(const shared_real *line, int step, real (&values)[size]) {
  UNROLL for (int i = 0; i < size; i++) values[i] = line[i * step];
}

template <int size>
INLINE void write_line(shared_real *line, int step, const real (&values)[size]) {
  UNROLL for (int i = 0; i < size; i++) line[i * step] = values[i];
}

/* out[i] = sum_j M[i row + j column] in[j]; once inlined, entries of constant matrices are constants. */
template <int num_in, int num_out>
INLINE void contract(const real *M, int row, int column, const real (&in)[num_in], real (&out)[num_out]) {
  UNROLL for (int i = 0; i < num_out; i++) {
    real sum = M[i * row] * in[0];
    UNROLL for (int j = 1; j < num_in; j++) sum += M[i * row + j * column] * in[j];
    out[i] = sum;
  }
}
