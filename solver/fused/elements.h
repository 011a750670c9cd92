/* What all fused kernels share: sum factorisation over blocks of LANES elements, one element in each
 * SIMD lane.
 *
 * Before this come NODES_1D, POINTS_1D, GEOMETRY_NODES_1D (0: quadrature data are stored), LANES,
 * PREFETCH, `real`, the matrices INTERPOLATION (points by nodes), DERIVATIVE (points by points),
 * GEOMETRY_INTERPOLATION, GEOMETRY_GRADIENT and WEIGHTS, and the QFunction with CeedScalar = real.
 *
 * Nodes and points are numbered along xi_1 first.  Arrays at points are [block][point][component][lane],
 * so that a kernel reads each of them as one stream and a QFunction sees LANES points.  The stored state
 * is `float` in blocks of STATE_LANES whatever `real` is, so that kernels of both precisions share it: a
 * block of it is HALVES blocks of the kernel.  It is the difference from the state at rest: what balances
 * there, and where strains are small, is not upset by rounding.
 */
#define POINTS (POINTS_1D * POINTS_1D * POINTS_1D)
#define GEOMETRY_NODES (GEOMETRY_NODES_1D * GEOMETRY_NODES_1D * GEOMETRY_NODES_1D)
#define LINE 64 /* bytes of a cache line */
#define HALVES (STATE_LANES / LANES)

typedef float floats __attribute__((vector_size(LANES * sizeof(float))));

/* The elements of one part of a body; `solver/fused/kernel.py` fills it. */
typedef struct {
  long num_elements;
  const int *offsets;         /* [block][node][lane]: place of the first component in the L-vector */
  const real *geometry;       /* nodes [block][node][component][lane], or qdata at points */
  const void *const *inputs;  /* at points: what the QFunction reads beside gradient and qdata */
  void *const *outputs;       /* at points: what it writes beside the gradient */
  const real *context;        /* kernel parameters, where they are the same everywhere */
  const real *rest;           /* the state that the residual would store at rest */
} Elements;

/* out[a][i][b] = (or +=) sum_j M[i][j] in[a][j][b]; strides are in vectors. */
INLINE void contract(int num_a, int num_b, int num_in, int num_out, const real *M, int row, int column,
                     const vec *restrict in, int in_a, int in_j, int in_b,
                     vec *restrict out, int out_a, int out_i, int out_b, int add) {
  for (int a = 0; a < num_a; a++)
    for (int b = 0; b < num_b; b++) {
      vec v[NODES_1D + POINTS_1D + GEOMETRY_NODES_1D]; /* num_in is one of these */
      UNROLL for (int j = 0; j < num_in; j++) v[j] = in[a * in_a + j * in_j + b * in_b];
      UNROLL for (int i = 0; i < num_out; i++) {
        vec sum = M[i * row] * v[0];
        UNROLL for (int j = 1; j < num_in; j++) sum += M[i * row + j * column] * v[j];
        vec *target = &out[a * out_a + i * out_i + b * out_b];
        *target = add ? *target + sum : sum;
      }
    }
}

/* From n x n x n nodal values by one matrix (points by nodes) for each direction: the value at the points
 * where all are the values of the nodal basis, a derivative where one is that of its derivatives. */
INLINE void interpolate(int n, const real *M1, const real *M2, const real *M3, const vec *restrict nodal,
                        vec *restrict values) {
  enum { Q = POINTS_1D };
  vec first[Q * n * n], second[Q * Q * n];
  contract(1, n * n, n, Q, M3, n, 1, nodal, 0, n * n, 1, first, 0, n * n, 1, 0);
  contract(Q, n, n, Q, M2, n, 1, first, n * n, n, 1, second, Q * n, n, 1, 0);
  contract(Q * Q, 1, n, Q, M1, n, 1, second, n, 1, 0, values, Q, 1, 0, 0);
}

/* Component `c` of gradients at points, component c + 3 d of 9 the derivative by xi_d, from nodal values;
 * B are the values and G the derivatives of the nodal basis. */
INLINE void differentiate(int n, const real *B, const real *G, const vec *restrict nodal,
                          vec (*restrict gradient)[9], int c) {
  UNROLL for (int d = 0; d < 3; d++) {
    vec values[POINTS];
    interpolate(n, d == 0 ? G : B, d == 1 ? G : B, d == 2 ? G : B, nodal, values);
    for (int q = 0; q < POINTS; q++) gradient[q][c + 3 * d] = values[q];
  }
}

/* The transpose for values. */
INLINE void interpolate_transposed(int n, const real *M, const vec *restrict values, vec *restrict nodal) {
  enum { Q = POINTS_1D };
  vec first[Q * n * n], second[Q * Q * n];
  contract(Q * Q, 1, Q, n, M, 1, n, values, Q, 1, 0, second, n, 1, 0, 0);
  contract(Q, n, Q, n, M, 1, n, second, Q * n, n, 1, first, n * n, n, 1, 0);
  contract(1, n * n, Q, n, M, 1, n, first, 0, n * n, 1, nodal, 0, n * n, 1, 0);
}

INLINE int lanes_of(const Elements *elements, long block) {
  long left = elements->num_elements - block * LANES;
  return left < LANES ? (int)left : LANES;
}

#if GEOMETRY_NODES_1D == 0
#define GEOMETRY_SIZE (10 * POINTS)
typedef const vec *Geometry;
INLINE Geometry geometry_of(const Elements *elements, long block) {
  return (const vec *)elements->geometry + block * GEOMETRY_SIZE;
}
INLINE const real *qdata_at(Geometry geometry, int q, vec qdata[10]) {
  (void)qdata;
  return (const real *)&geometry[10 * q];
}
#else
#define GEOMETRY_SIZE (3 * GEOMETRY_NODES)
typedef struct {
#if GEOMETRY_NODES_1D == 2
  vec along[3][POINTS_1D * POINTS_1D][3]; /* dX/dxi_d does not depend on xi_d */
#else
  vec gradient[POINTS][9];
#endif
} Derivatives;
#define Geometry Derivatives

/* The derivatives of the element map at the points of a block. */
INLINE Geometry geometry_of(const Elements *elements, long block) {
  const vec *nodes = (const vec *)elements->geometry + block * GEOMETRY_SIZE;
  Derivatives geometry;
#if GEOMETRY_NODES_1D == 2
  enum { Q = POINTS_1D };
  const real *M = &GEOMETRY_INTERPOLATION[0][0];
  for (int d = 0; d < 3; d++) {
    const int step = 1 << d, slow = d == 2 ? 2 : 4, fast = d == 0 ? 2 : 1;
    for (int c = 0; c < 3; c++) {
      vec edges[4], half[2 * Q];
      for (int e = 0; e < 4; e++) {
        const vec *end = &nodes[3 * (slow * (e / 2) + fast * (e % 2)) + c];
        edges[e] = (real)0.5 * (end[3 * step] - end[0]);
      }
      contract(1, 2, 2, Q, M, 2, 1, edges, 0, 2, 1, half, 0, 2, 1, 0);
      contract(Q, 1, 2, Q, M, 2, 1, half, 2, 1, 0, &geometry.along[d][0][c], 3 * Q, 3, 0, 0);
    }
  }
#else
  for (int c = 0; c < 3; c++) {
    vec nodal[GEOMETRY_NODES];
    for (int n = 0; n < GEOMETRY_NODES; n++) nodal[n] = nodes[3 * n + c];
    differentiate(GEOMETRY_NODES_1D, &GEOMETRY_INTERPOLATION[0][0], &GEOMETRY_GRADIENT[0][0], nodal, geometry.gradient, c);
  }
#endif
  return geometry;
}

/* Quadrature data at a point: w det dX/dxi, then dxi_d/dX_J row by row. */
INLINE const real *qdata_at_(const Derivatives *geometry, int q, vec qdata[10]) {
  enum { Q = POINTS_1D };
  const int i = q % Q, j = q / Q % Q, k = q / (Q * Q);
#if GEOMETRY_NODES_1D == 2
  const vec *a = geometry->along[0][Q * k + j], *b = geometry->along[1][Q * k + i], *c = geometry->along[2][Q * j + i];
#else
  const vec *a = geometry->gradient[q], *b = a + 3, *c = a + 6;
#endif
  const vec ab[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  const vec bc[3] = {b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]};
  const vec ca[3] = {c[1] * a[2] - c[2] * a[1], c[2] * a[0] - c[0] * a[2], c[0] * a[1] - c[1] * a[0]};
  const vec det = a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2], inverse = 1 / det;
  qdata[0] = WEIGHTS[i] * WEIGHTS[j] * WEIGHTS[k] * det;
  UNROLL for (int J = 0; J < 3; J++) {
    qdata[1 + J] = inverse * bc[J];
    qdata[4 + J] = inverse * ca[J];
    qdata[7 + J] = inverse * ab[J];
  }
  return (const real *)qdata;
}
#define qdata_at(geometry, q, qdata) qdata_at_(&(geometry), q, qdata)
#endif

/* Ask for `size` vectors of an array, PREFETCH blocks of `block_size` ahead. */
INLINE void prefetch(const void *array, int size, int block_size) {
#if PREFETCH
  const char *ahead = (const char *)array + (long)PREFETCH * block_size * sizeof(vec);
  UNROLL for (int k = 0; k < size * (int)sizeof(vec); k += LINE) __builtin_prefetch(ahead + k);
#else
  (void)array, (void)size, (void)block_size;
#endif
}

static const int input_sizes[] = {INPUTS 0}, output_sizes[] = {OUTPUTS 0};
enum { num_inputs = sizeof input_sizes / sizeof(int) - 1, num_outputs = sizeof output_sizes / sizeof(int) - 1 };

/* Where the stored state of a point begins. */
INLINE float *state_at(const void *state, int size, long block, int q) {
  return (float *)state + ((block / HALVES * POINTS + q) * size * HALVES + block % HALVES) * LANES;
}

/* What the QFunction reads at a point beside gradient and qdata; `memory` is for the stored state. */
INLINE void read_inputs(const Elements *elements, long block, int q, const real **in, vec *memory) {
  UNROLL for (int k = 0; k < num_inputs; k++) {
    const int size = input_sizes[k];
    if (k != STATE_INPUT) {
      in[k] = (const real *)elements->inputs[k] + (block * POINTS + q) * size * LANES;
      prefetch(in[k], size, size * POINTS);
      continue;
    }
    const float *state = state_at(elements->inputs[k], size, block, q);
    UNROLL for (int c = 0; c < size; c++)
      memory[c] = elements->rest[c] + __builtin_convertvector(*(const floats *)(state + c * STATE_LANES), vec);
    /* Each half asks for its share of the lines ahead. */
    const int share = (size + HALVES - 1) / HALVES;
    prefetch(state + block % HALVES * (share * STATE_LANES - LANES), share, size * POINTS);
    in[k] = (const real *)memory;
  }
}

/* The QFunction at point q of a block; the gradient is overwritten by the result. */
INLINE void at_point(const Elements *elements, const real *qdata, long block, int q, vec gradient[9]) {
  vec result[9], written[NUM_WRITTEN + 1], memory[NUM_STORED + 1];
  const real *in[2 + num_inputs + 1];
  real *out[1 + num_outputs + 1];
  in[0] = (const real *)gradient;
  in[1] = qdata;
  if (GEOMETRY_NODES_1D == 0) prefetch(qdata, 10, 10 * POINTS);
  read_inputs(elements, block, q, in + 2, memory);
  out[0] = (real *)result;
  int size = 0;
  UNROLL for (int k = 0; k < num_outputs; size += output_sizes[k++]) out[1 + k] = (real *)&written[size];
  FUNCTION((void *)elements->context, LANES, in, out);
  UNROLL for (int k = 0; k < NUM_KEPT; k++) {
    const vec *values = (const vec *)out[1 + k];
    if (k == STATE_OUTPUT) {
      float *state = state_at(elements->outputs[k], output_sizes[k], block, q);
      UNROLL for (int c = 0; c < output_sizes[k]; c++)
        *(floats *)(state + c * STATE_LANES) = __builtin_convertvector(values[c] - elements->rest[c], floats);
    } else {
      vec *target = (vec *)elements->outputs[k] + (block * POINTS + q) * output_sizes[k];
      UNROLL for (int c = 0; c < output_sizes[k]; c++) target[c] = values[c];
    }
  }
  UNROLL for (int k = 0; k < 9; k++) gradient[k] = result[k];
}
