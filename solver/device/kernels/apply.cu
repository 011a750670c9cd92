/* v += gradient^T . QFunction . gradient . u, and what else the QFunction writes.
 *
 * The gradient is that of the polynomial through the values at the points, which is u itself where there
 * are as many points as nodes in each direction.
 *
 * After the derivatives of the map, an element has four arrays of REGION numbers: the values at the
 * points, and the derivatives by each direction, whose places the results take.  What lies between nodes
 * and points passes through those that wait for theirs.  Planes of xi_3 are PLANE numbers apart, an odd
 * number, and neighbouring threads take lines along xi_1 of one component: then few numbers that are
 * read at the same time lie in the same bank.
 */
extern "C" __global__ __launch_bounds__(THREADS) void apply(PARAMETERS) {
  constexpr int N = NODES_1D, Q = POINTS_1D;
  WORKPLACE(work);
  const Elements elements = GIVEN;
  const real *B = &INTERPOLATION[0][0], *D = &DERIVATIVE[0][0];
  shared_real *values = work + DERIVATIVES, *along_1 = values + REGION, *along_2 = along_1 + REGION,
              *along_3 = along_2 + REGION;

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    ask_for_state(elements, first, num_here);
    geometry_of(elements, first, num_here, work);
    EACH(t, 3 * N * N) {
      const int e = t / (3 * N * N), line = t % (3 * N * N), c = line % 3;
      const int *place = elements.offsets + (first + e) * NODES + line / 3;
      real in[N], out[Q];
      UNROLL for (int k = 0; k < N; k++) in[k] = u[place[k * N * N] + c];
      contract(B, N, 1, in, out);
      write_line(along_2 + e * WORK + line, PLANE, out);
    }
    __syncthreads();
    EACH(t, 3 * N * Q) {
      const int e = t / (3 * N * Q), line = t % (3 * N * Q), k = line / (3 * N), ic = line % (3 * N);
      real in[N], out[Q];
      read_line(along_2 + e * WORK + k * PLANE + ic, 3 * N, in);
      contract(B, N, 1, in, out);
      write_line(along_3 + e * WORK + k * PLANE + ic, 3 * N, out);
    }
    __syncthreads();
    EACH(t, 3 * Q * Q) {
      const int e = t / (3 * Q * Q), c = t / (Q * Q) % 3, k = t / Q % Q, j = t % Q;
      const int plane = e * WORK + k * PLANE + c, place = plane + j * 3 * Q;
      real in[N], out[Q], slope[Q];
      read_line(along_3 + plane + j * 3 * N, 3, in);
      contract(B, N, 1, in, out);
      contract(D, Q, 1, out, slope);
      write_line(values + place, 3, out);
      write_line(along_1 + place, 3, slope);
    }
    __syncthreads();
    EACH(t, 3 * Q * Q) {
      const int e = t / (3 * Q * Q), line = t % (3 * Q * Q), a = line / (3 * Q), ic = line % (3 * Q);
      const int by_2 = e * WORK + a * PLANE + ic, by_3 = e * WORK + line;
      real in[Q], slope[Q];
      read_line(values + by_2, 3 * Q, in);
      contract(D, Q, 1, in, slope);
      write_line(along_2 + by_2, 3 * Q, slope);
      read_line(values + by_3, PLANE, in);
      contract(D, Q, 1, in, slope);
      write_line(along_3 + by_3, PLANE, slope);
    }
    __syncthreads();
    EACH(t, POINTS) {
      const int e = t / POINTS, q = t % POINTS;
      shared_real *place = along_1 + e * WORK + q / (Q * Q) * PLANE + 3 * (q % (Q * Q));
      real qdata[10], gradient[9], result[9]; /* component c + 3 d: derivative of u_c by xi_d */
      qdata_at(elements, first + e, q, work + e * WORK, qdata);
      UNROLL for (int k = 0; k < 9; k++) gradient[k] = place[k / 3 * REGION + k % 3];
      at_point(elements, qdata, first + e, q, gradient, result);
      UNROLL for (int k = 0; k < 9; k++) place[k / 3 * REGION + k % 3] = result[k];
    }
    __syncthreads();
    EACH(t, 3 * Q * Q) {
      const int e = t / (3 * Q * Q), line = t % (3 * Q * Q), a = line / (3 * Q), ic = line % (3 * Q);
      const int by_2 = e * WORK + a * PLANE + ic, by_3 = e * WORK + line;
      real in[Q], out[Q];
      read_line(along_2 + by_2, 3 * Q, in);
      contract(D, 1, Q, in, out);
      write_line(along_2 + by_2, 3 * Q, out);
      read_line(along_3 + by_3, PLANE, in);
      contract(D, 1, Q, in, out);
      write_line(along_3 + by_3, PLANE, out);
    }
    __syncthreads();
    EACH(t, 3 * Q * Q) {
      const int e = t / (3 * Q * Q), c = t / (Q * Q) % 3, k = t / Q % Q, j = t % Q;
      const int plane = e * WORK + k * PLANE + c, place = plane + j * 3 * Q;
      real in[Q], by_2[Q], by_3[Q], sum[Q], out[N];
      read_line(along_1 + place, 3, in);
      read_line(along_2 + place, 3, by_2);
      read_line(along_3 + place, 3, by_3);
      contract(D, 1, Q, in, sum);
      UNROLL for (int i = 0; i < Q; i++) sum[i] += by_2[i] + by_3[i];
      contract(B, 1, N, sum, out);
      write_line(values + plane + j * 3 * N, 3, out);
    }
    __syncthreads();
    EACH(t, 3 * N * Q) {
      const int e = t / (3 * N * Q), line = t % (3 * N * Q), k = line / (3 * N), ic = line % (3 * N);
      real in[Q], out[N];
      read_line(values + e * WORK + k * PLANE + ic, 3 * N, in);
      contract(B, 1, N, in, out);
      write_line(along_1 + e * WORK + k * PLANE + ic, 3 * N, out);
    }
    __syncthreads();
    EACH(t, 3 * N * N) {
      const int e = t / (3 * N * N), line = t % (3 * N * N), c = line % 3;
      const int *place = elements.offsets + (first + e) * NODES + line / 3;
      real in[Q], out[N];
      read_line(along_1 + e * WORK + line, PLANE, in);
      contract(B, 1, N, in, out);
      UNROLL for (int k = 0; k < N; k++) atomicAdd(&v[place[k * N * N] + c], out[k]);
    }
    __syncthreads();
  }
}
