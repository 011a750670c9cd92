/* What the residual stores for the Jacobian, at points of its own.
 *
 * These may be fewer than nodes: the gradient is exact all the same.
 */
extern "C" __global__ __launch_bounds__(THREADS) void state(PARAMETERS) {
  WORKPLACE(work);
  const Elements elements = GIVEN;
  shared_real *gradients = work + DERIVATIVES;
  (void)v;

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    geometry_of(elements, first, num_here, work);
    const auto nodal = [&](int e, int node, int c) { return u[elements.offsets[(first + e) * NODES + node] + c]; };
    differentiate<NODES_1D>(num_here, &INTERPOLATION[0][0], &GRADIENT[0][0], nodal, gradients, gradients + REGION);
    EACH(t, POINTS) {
      const int e = t / POINTS, q = t % POINTS;
      const shared_real *place = gradients + e * WORK + 3 * q;
      real qdata[10], gradient[9], result[9];
      qdata_at(elements, first + e, q, work + e * WORK, qdata);
      UNROLL for (int k = 0; k < 9; k++) gradient[k] = place[k / 3 * 3 * POINTS + k % 3];
      at_point(elements, qdata, first + e, q, gradient, result);
    }
    __syncthreads();
  }
}
