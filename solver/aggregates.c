/* Aggregates of nodes and their rigid motions; see aggregates.py for the formulas.

   The including text defines `real`, the type of L-vectors, modes and element matrices. */

/* Gather nodes into aggregates: each round takes the next node that is left with those of its
   neighbours that are left and most strongly coupled, up to `size` nodes.

   starts, neighbours, strengths: the graph in rows, without a node among its own neighbours.
   size: at most 65.
   aggregates: on entry -1 for nodes to gather and -2 for others, on return the numbers.
   Returns the number of aggregates. */
int gather_aggregates(int num_nodes, const int *starts, const int *neighbours,
                      const double *strengths, int size, int *aggregates)
{
  int count = 0;
  for (int node = 0; node < num_nodes; node++) {
    if (aggregates[node] != -1) continue;
    int chosen[64], num_chosen = 0, num_left = 0;
    for (int k = starts[node]; k < starts[node + 1]; k++) {
      if (aggregates[neighbours[k]] != -1) continue;
      num_left++;
      int place = num_chosen < size - 1 ? num_chosen++ : size - 1;
      for (; place > 0 && strengths[chosen[place - 1]] < strengths[k]; place--)
        if (place < size - 1) chosen[place] = chosen[place - 1];
      if (place < size - 1) chosen[place] = k;
    }
    /* Too small a rest joins its neighbours below. */
    if (2 * (num_left + 1) < size) continue;
    aggregates[node] = count;
    for (int k = 0; k < num_chosen; k++) aggregates[neighbours[chosen[k]]] = count;
    count++;
  }
  for (int changed = 1; changed;) {
    changed = 0;
    for (int node = 0; node < num_nodes; node++) {
      if (aggregates[node] != -1) continue;
      double strongest = -1.0;
      for (int k = starts[node]; k < starts[node + 1]; k++) {
        const int other = aggregates[neighbours[k]];
        double sum = 0.0;
        if (other < 0) continue;
        for (int l = starts[node]; l < starts[node + 1]; l++)
          if (aggregates[neighbours[l]] == other) sum += strengths[l];
        if (sum > strongest) strongest = sum, aggregates[node] = other, changed = 1;
      }
    }
  }
  for (int node = 0; node < num_nodes; node++)
    if (aggregates[node] == -1) aggregates[node] = count++;
  return count;
}

/* blocks[slot of (element, i, j)] += modes_i^T A_ij modes_j, blocks of 6 by 6. */
void add_galerkin(long num_elements, const real *matrices, const int *nodes, const real *modes,
                  const int *slots, double *blocks)
{
  for (long pair = 0; pair < 64 * num_elements; pair++) {
    if (slots[pair] < 0) continue;
    const long element = pair / 64, i = pair / 8 % 8, j = pair % 8;
    const real *A = matrices + 576 * element + 72 * i + 3 * j;
    const real *left = modes + 18L * nodes[8 * element + i];
    const real *right = modes + 18L * nodes[8 * element + j];
    double *block = blocks + 36L * slots[pair];
    double product[3][6];
    for (int c = 0; c < 3; c++)
      for (int m = 0; m < 6; m++)
        product[c][m] = (double)A[24 * c] * right[m] + (double)A[24 * c + 1] * right[6 + m]
                        + (double)A[24 * c + 2] * right[12 + m];
    for (int n = 0; n < 6; n++)
      for (int m = 0; m < 6; m++)
        block[6 * n + m] += left[n] * product[0][m] + left[6 + n] * product[1][m]
                            + left[12 + n] * product[2][m];
  }
}

/* forces[aggregate] += modes^T r, over the nodes of an aggregate; -1 stands for none. */
void add_restricted(long num_nodes, const int *aggregates, const real *modes, const real *r,
                    double *forces)
{
  for (long node = 0; node < num_nodes; node++) {
    if (aggregates[node] < 0) continue;
    for (int m = 0; m < 6; m++)
      for (int c = 0; c < 3; c++)
        forces[6L * aggregates[node] + m] += modes[18 * node + 6 * c + m] * r[3 * node + c];
  }
}

/* x = modes motions[aggregate], zero at nodes without one. */
void prolong_motions(long num_nodes, const int *aggregates, const real *modes,
                     const double *motions, real *x)
{
  for (long node = 0; node < num_nodes; node++)
    for (int c = 0; c < 3; c++) {
      double sum = 0.0;
      if (aggregates[node] >= 0)
        for (int m = 0; m < 6; m++)
          sum += modes[18 * node + 6 * c + m] * motions[6L * aggregates[node] + m];
      x[3 * node + c] = (real)sum;
    }
}
