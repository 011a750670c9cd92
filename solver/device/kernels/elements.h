/* What the kernels with a QFunction share: gradients, geometry and the QFunction at a point.
 *
 * Before this come lines.h, NODES_1D, POINTS_1D, GEOMETRY_NODES_1D (0: quadrature data are stored),
 * DERIVATIVES and WORK (numbers of shared memory of an element: derivatives of its map, and all), the
 * matrices of solver/fused/elements.h, and the QFunction with CeedScalar = real.
 *
 * Nodes and points are numbered along xi_1 first.  Arrays in memory are [element][component][point], so
 * that threads with neighbouring points read neighbouring numbers; those in shared memory are
 * [point][component].  The stored state is `float` whatever `real` is, the difference from that at rest.
 */
#define NODES (NODES_1D * NODES_1D * NODES_1D)
#define POINTS (POINTS_1D * POINTS_1D * POINTS_1D)
#define GEOMETRY_NODES (GEOMETRY_NODES_1D * GEOMETRY_NODES_1D * GEOMETRY_NODES_1D)

#define PARAMETERS                                                                                      \
  long long num_elements, const int *__restrict__ offsets, const real *__restrict__ geometry,           \
      const real *__restrict__ context, const real *__restrict__ rest, const void *__restrict__ input_0, \
      const void *__restrict__ input_1, const void *__restrict__ input_2, void *__restrict__ output_0,  \
      void *__restrict__ output_1, real *__restrict__ scratch, const real *__restrict__ u,              \
      real *__restrict__ v
#define GIVEN {offsets, geometry, context, rest, {input_0, input_1, input_2}, {output_0, output_1}}

/* Where the work of a block is done; in memory where elements have too much for shared memory. */
#if IN_SHARED
#define WORKPLACE(work) \
  __shared__ shared_real work[ELEMENTS * WORK]; \
  (void)scratch
#else
#define WORKPLACE(work) shared_real *work = (shared_real *)scratch + (long long)blockIdx.x * ELEMENTS * WORK
#endif

/* The elements of one part of a body. */
struct Elements {
  const int *offsets;    /* [element][node]: place of the first component in the L-vector */
  const real *geometry;  /* nodes [element][component][node], or qdata at points */
  const real *context;   /* kernel parameters, where they are the same everywhere */
  const real *rest;      /* the state that the residual would store at rest */
  const void *inputs[3]; /* at points: what the QFunction reads beside gradient and qdata */
  void *outputs[2];      /* at points: what it writes beside the gradient */
};

/* Derivatives at the points, [direction][point][component], of what has nodal(element, node, component):
 * B are the values and G the derivatives of the nodal basis.  They go to `gradient`, which has room for
 * 6 n n Q numbers too, by way of `second`, which has 9 n Q Q; both are those of the first element. */
template <int n, class Nodal>
INLINE void differentiate(int num_here, const real *B, const real *G, Nodal nodal, shared_real *gradient,
                          shared_real *second) {
  constexpr int Q = POINTS_1D, first_size = 3 * n * n * Q, second_size = 3 * n * Q * Q;
  EACH(t, 3 * n * n) {
    const int e = t / (3 * n * n), line = t % (3 * n * n);
    real in[n], out[Q];
    UNROLL for (int k = 0; k < n; k++) in[k] = nodal(e, k * n * n + line / 3, line % 3);
    shared_real *target = gradient + e * WORK + line;
    contract(B, n, 1, in, out);
    write_line(target, 3 * n * n, out);
    contract(G, n, 1, in, out);
    write_line(target + first_size, 3 * n * n, out);
  }
  __syncthreads();
  EACH(t, 3 * n * Q) {
    const int e = t / (3 * n * Q), line = t % (3 * n * Q), k = line / (3 * n), ic = line % (3 * n);
    real in[n], out[Q];
    const shared_real *values = gradient + e * WORK + k * 3 * n * n + ic;
    shared_real *target = second + e * WORK + k * 3 * n * Q + ic;
    read_line(values, 3 * n, in);
    contract(B, n, 1, in, out);
    write_line(target, 3 * n, out);
    contract(G, n, 1, in, out);
    write_line(target + second_size, 3 * n, out);
    read_line(values + first_size, 3 * n, in);
    contract(B, n, 1, in, out);
    write_line(target + 2 * second_size, 3 * n, out);
  }
  __syncthreads();
  EACH(t, 3 * Q * Q) {
    const int e = t / (3 * Q * Q), line = t % (3 * Q * Q), kj = line / 3, c = line % 3;
    UNROLL for (int d = 0; d < 3; d++) {
      real in[n], out[Q];
      read_line(second + e * WORK + d * second_size + kj * 3 * n + c, 3, in);
      contract(d == 0 ? G : B, n, 1, in, out);
      write_line(gradient + e * WORK + d * 3 * POINTS + kj * 3 * Q + c, 3, out);
    }
  }
  __syncthreads();
}

/* The derivatives of the element maps at the points, to the first numbers of each element in shared
 * memory; a barrier must follow before they are read. */
INLINE void geometry_of(const Elements &elements, long long first, int num_here, shared_real *work) {
#if GEOMETRY_NODES_1D == 2
  /* dX/dxi_d does not depend on xi_d: [direction][point of the two others][component]. */
  constexpr int Q = POINTS_1D;
  const real *M = &GEOMETRY_INTERPOLATION[0][0];
  EACH(t, 9) {
    const int e = t / 9, d = t % 9 / 3, c = t % 3;
    const int step = 1 << d, slow = d == 2 ? 2 : 4, fast = d == 0 ? 2 : 1;
    const real *nodes = elements.geometry + (first + e) * 3 * GEOMETRY_NODES + c * GEOMETRY_NODES;
    shared_real *along = work + e * WORK + d * 3 * Q * Q + c;
    real half[2][Q];
    UNROLL for (int s = 0; s < 2; s++) {
      real edges[2];
      UNROLL for (int f = 0; f < 2; f++) {
        const real *end = nodes + slow * s + fast * f;
        edges[f] = (real)0.5 * (end[step] - end[0]);
      }
      contract(M, 2, 1, edges, half[s]);
    }
    UNROLL for (int i = 0; i < Q; i++) {
      const real ends[2] = {half[0][i], half[1][i]};
      real out[Q];
      contract(M, 2, 1, ends, out);
      write_line(along + 3 * i, 3 * Q, out);
    }
  }
#elif GEOMETRY_NODES_1D != 0
  const auto nodal = [&](int e, int node, int c) {
    return elements.geometry[(first + e) * 3 * GEOMETRY_NODES + c * GEOMETRY_NODES + node];
  };
  differentiate<GEOMETRY_NODES_1D>(num_here, &GEOMETRY_INTERPOLATION[0][0], &GEOMETRY_GRADIENT[0][0], nodal,
                                   work, work + DERIVATIVES);
#endif
}

/* Quadrature data at a point: w det dX/dxi, then dxi_d/dX_J row by row; `derivatives` are the element's. */
INLINE void qdata_at(const Elements &elements, long long element, int q, const shared_real *derivatives,
                     real (&qdata)[10]) {
#if GEOMETRY_NODES_1D == 0
  UNROLL for (int k = 0; k < 10; k++) qdata[k] = elements.geometry[(element * 10 + k) * POINTS + q];
#else
  constexpr int Q = POINTS_1D;
  const int i = q % Q, j = q / Q % Q, k = q / (Q * Q);
  real a[3], b[3], c[3];
#if GEOMETRY_NODES_1D == 2
  read_line(derivatives + 3 * (Q * k + j), 1, a);
  read_line(derivatives + 3 * (Q * Q + Q * k + i), 1, b);
  read_line(derivatives + 3 * (2 * Q * Q + Q * j + i), 1, c);
#else
  read_line(derivatives + 3 * q, 1, a);
  read_line(derivatives + 3 * (POINTS + q), 1, b);
  read_line(derivatives + 3 * (2 * POINTS + q), 1, c);
#endif
  const real ab[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  const real bc[3] = {b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]};
  const real ca[3] = {c[1] * a[2] - c[2] * a[1], c[2] * a[0] - c[0] * a[2], c[0] * a[1] - c[1] * a[0]};
  const real det = a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2], inverse = 1 / det;
  qdata[0] = WEIGHTS[i] * WEIGHTS[j] * WEIGHTS[k] * det;
  UNROLL for (int J = 0; J < 3; J++) {
    qdata[1 + J] = inverse * bc[J];
    qdata[4 + J] = inverse * ca[J];
    qdata[7 + J] = inverse * ab[J];
  }
#endif
}

static __device__ constexpr int input_sizes[] = {INPUTS 0}, output_sizes[] = {OUTPUTS 0};
enum { num_inputs = sizeof input_sizes / sizeof(int) - 1, num_outputs = sizeof output_sizes / sizeof(int) - 1 };

/* What the QFunction reads beside gradient and qdata, from the k-th array on.  Templates, so that all
 * places are constants wherever compilers leave off unrolling. */
template <int k>
INLINE void read_inputs(const Elements &elements, long long element, int q, const real **in, real *memory) {
  if constexpr (k < num_inputs) {
    constexpr int size = input_sizes[k];
    const long long place = element * size * POINTS + q;
    UNROLL for (int c = 0; c < size; c++) {
      if constexpr (k == STATE_INPUT) memory[c] = elements.rest[c] + ((const float *)elements.inputs[k])[place + c * POINTS];
      else memory[c] = ((const real *)elements.inputs[k])[place + c * POINTS];
    }
    in[k] = memory;
    read_inputs<k + 1>(elements, element, q, in, memory + size);
  }
}

/* What it has written beside the gradient, as far as that is kept. */
template <int k>
INLINE void write_outputs(const Elements &elements, long long element, int q, const real *written) {
  if constexpr (k < NUM_KEPT) {
    constexpr int size = output_sizes[k];
    const long long place = element * size * POINTS + q;
    UNROLL for (int c = 0; c < size; c++) {
      if constexpr (k == STATE_OUTPUT) ((float *)elements.outputs[k])[place + c * POINTS] = (float)(written[c] - elements.rest[c]);
      else ((real *)elements.outputs[k])[place + c * POINTS] = written[c];
    }
    write_outputs<k + 1>(elements, element, q, written + size);
  }
}

/* Bring the state of elements nearer, whose points will ask for it. */
INLINE void ask_for_state(const Elements &elements, long long first, int num_here) {
#if defined(__CUDA_ARCH__) && STATE_INPUT >= 0
  constexpr int LINE = 128, SIZE = input_sizes[STATE_INPUT] * POINTS * (int)sizeof(float);
  const char *state = (const char *)elements.inputs[STATE_INPUT] + first * SIZE;
  for (int place = threadIdx.x * LINE; place < num_here * SIZE; place += THREADS * LINE)
    asm volatile("prefetch.L2 [%0];" ::"l"(state + place));
#else
  (void)elements, (void)first, (void)num_here;
#endif
}

/* The QFunction at point q of an element.  All numbers of its arrays have constant places, so that they
 * lie in registers. */
INLINE void at_point(const Elements &elements, const real (&qdata)[10], long long element, int q,
                     const real (&gradient)[9], real (&result)[9]) {
  real read[NUM_READ + 1], written[NUM_WRITTEN + 1], context[NUM_CONTEXT + 1];
  const real *in[2 + num_inputs];
  real *out[1 + num_outputs];
  in[0] = gradient;
  in[1] = qdata;
  out[0] = result;
  read_inputs<0>(elements, element, q, in + 2, read);
  int size = 0;
  UNROLL for (int k = 0; k < num_outputs; size += output_sizes[k++]) out[1 + k] = written + size;
  UNROLL for (int k = 0; k < NUM_CONTEXT; k++) context[k] = elements.context[k];
  FUNCTION(context, 1, in, out);
  write_outputs<0>(elements, element, q, written);
}

/* One column of the 9 x 9 matrix of the Jacobian at a point. */
INLINE void column_at(const Elements &elements, long long element, int q, const shared_real *derivatives,
                      int column, real (&result)[9]) {
  real qdata[10], unit[9];
  qdata_at(elements, element, q, derivatives, qdata);
  UNROLL for (int k = 0; k < 9; k++) unit[k] = k == column;
  at_point(elements, qdata, element, q, unit, result);
}
