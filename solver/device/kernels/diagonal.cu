/* v += diagonal of gradient^T . Jacobian . gradient.
 *
 * With D the 9 x 9 matrix of the Jacobian at a point, the entry of component c of node n is the sum over
 * points of dN_n/dxi_a D[c + 3 a][c + 3 b] dN_n/dxi_b: for each pair (a, b) a tensor product of
 * PRODUCTS[0] = B B, [1] = B G, [2] = G G with B the values and G the derivatives of the nodal basis.
 *
 * One component after another, so that shared memory has nine numbers of a point at a time.  Lines are
 * contracted in place, in arrays that are SIDE numbers wide: points or nodes, whichever are more.
 */
#define SIDE (NODES_1D > POINTS_1D ? NODES_1D : POINTS_1D)

template <int a, int b>
INLINE const real *product_along(int direction) {
  return &PRODUCTS[(a == direction) + (b == direction)][0][0];
}

/* The line of a pair in place: of points, then of nodes. */
template <int a, int b>
INLINE void contract_pair(int direction, shared_real *line, int step) {
  constexpr int N = NODES_1D, Q = POINTS_1D;
  shared_real *place = line + (a + 3 * b) * SIDE * SIDE * SIDE;
  real in[Q], out[N];
  read_line(place, step, in);
  if (direction == 0 && a != b) {
    real other[Q];
    read_line(line + (b + 3 * a) * SIDE * SIDE * SIDE, step, other);
    UNROLL for (int i = 0; i < Q; i++) in[i] += other[i];
  }
  contract(product_along<a, b>(direction), 1, N, in, out);
  write_line(place, step, out);
}

INLINE void contract_pairs(int direction, shared_real *line, int step) {
  contract_pair<0, 0>(direction, line, step);
  contract_pair<1, 1>(direction, line, step);
  contract_pair<2, 2>(direction, line, step);
  contract_pair<0, 1>(direction, line, step);
  contract_pair<0, 2>(direction, line, step);
  contract_pair<1, 2>(direction, line, step);
}

/* The first pair begins the sum. */
template <int a, int b>
INLINE void add_pair(const shared_real *line, int step, real (&sum)[NODES_1D]) {
  real in[POINTS_1D], out[NODES_1D];
  read_line(line + (a + 3 * b) * SIDE * SIDE * SIDE, step, in);
  contract(product_along<a, b>(2), 1, NODES_1D, in, out);
  UNROLL for (int i = 0; i < NODES_1D; i++) sum[i] = a == 0 && b == 0 ? out[i] : sum[i] + out[i];
}

extern "C" __global__ __launch_bounds__(THREADS) void diagonal(PARAMETERS) {
  constexpr int N = NODES_1D, Q = POINTS_1D, S = SIDE;
  WORKPLACE(work);
  const Elements elements = GIVEN;
  shared_real *entries = work + DERIVATIVES; /* [a + 3 b][xi_3][xi_2][xi_1] */
  (void)u;

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    geometry_of(elements, first, num_here, work);
    __syncthreads();
    _Pragma("unroll 1") for (int c = 0; c < 3; c++) {
      EACH(t, 3 * POINTS) {
        const int e = t / (3 * POINTS), b = t / POINTS % 3, q = t % POINTS;
        shared_real *place = entries + e * WORK + ((3 * b * S + q / (Q * Q)) * S + q / Q % Q) * S + q % Q;
        real result[9];
        column_at(elements, first + e, q, work + e * WORK, c + 3 * b, result);
        UNROLL for (int a = 0; a < 3; a++)
          place[a * S * S * S] = c == 0 ? result[3 * a] : c == 1 ? result[3 * a + 1] : result[3 * a + 2];
      }
      __syncthreads();
      EACH(t, Q * Q) {
        const int e = t / (Q * Q), j = t % Q, k = t / Q % Q;
        contract_pairs(0, entries + e * WORK + (k * S + j) * S, 1);
      }
      __syncthreads();
      EACH(t, Q * N) {
        const int e = t / (Q * N), i = t % N, k = t / N % Q;
        contract_pairs(1, entries + e * WORK + k * S * S + i, S);
      }
      __syncthreads();
      EACH(t, N * N) {
        const int e = t / (N * N), ji = t % (N * N);
        const int *place = elements.offsets + (first + e) * NODES + ji;
        const shared_real *line = entries + e * WORK + ji / N * S + ji % N;
        real sum[N];
        add_pair<0, 0>(line, S * S, sum);
        add_pair<1, 1>(line, S * S, sum);
        add_pair<2, 2>(line, S * S, sum);
        add_pair<0, 1>(line, S * S, sum);
        add_pair<0, 2>(line, S * S, sum);
        add_pair<1, 2>(line, S * S, sum);
        UNROLL for (int k = 0; k < N; k++) atomicAdd(&v[place[k * N * N] + c], sum[k]);
      }
      __syncthreads();
    }
  }
}
