/* Element matrices gradient^T . Jacobian . gradient of p = 1, to [element][3 node + component][same].
 *
 * GRADIENTS[point][node][a] are the derivatives of the nodal basis by xi_a.
 */
extern "C" __global__ __launch_bounds__(THREADS) void matrices(PARAMETERS) {
  constexpr int SIZE = 3 * NODES;
  WORKPLACE(work);
  const Elements elements = GIVEN;
  shared_real *columns = work + DERIVATIVES; /* of D: [point][column][row] */
  (void)u;

  GROUPS(first, num_elements) {
    const int num_here = elements_here(num_elements, first);
    geometry_of(elements, first, num_here, work);
    __syncthreads();
    EACH(t, 9 * POINTS) {
      const int e = t / (9 * POINTS), column = t / POINTS % 9, q = t % POINTS;
      real result[9];
      column_at(elements, first + e, q, work + e * WORK, column, result);
      write_line(columns + e * WORK + (9 * q + column) * 9, 1, result);
    }
    __syncthreads();
    EACH(t, 9 * NODES) {
      const int e = t / (9 * NODES), n = t / 9 % NODES, c = t / 3 % 3, d = t % 3;
      real sums[NODES] = {0}; /* of row 3 n + c, columns 3 m + d */
      _Pragma("unroll 1") for (int q = 0; q < POINTS; q++) {
        const shared_real *D = columns + e * WORK + 81 * q + 9 * d + c;
        const real *G = GRADIENTS[q][n];
        real row[3];
        UNROLL for (int b = 0; b < 3; b++) row[b] = G[0] * D[27 * b] + G[1] * D[27 * b + 3] + G[2] * D[27 * b + 6];
        UNROLL for (int m = 0; m < NODES; m++)
          sums[m] += row[0] * GRADIENTS[q][m][0] + row[1] * GRADIENTS[q][m][1] + row[2] * GRADIENTS[q][m][2];
      }
      real *target = v + ((first + e) * SIZE + 3 * n + c) * SIZE + d;
      UNROLL for (int m = 0; m < NODES; m++) target[3 * m] = sums[m];
    }
    __syncthreads();
  }
}
