/* Aggregates of nodes and their rigid motions; see aggregates.py for the formulas.

   The including text defines `real`, the type of L-vectors, modes and element matrices, and the words
   of passes, see cycle.c; ADD adds to a number that others may add to at the same time. */

#ifndef DEVICE

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

#endif

/* blocks[slot of (element, i, j)] += modes_i^T A_ij modes_j, blocks of 6 by 6, for n triples (element,
   i, j). */
ENTRY void add_galerkin(Size n, const real *matrices, const int *nodes, const real *modes,
                        const int *slots, double *blocks)
{
  ONE_BY_ONE {
    if (slots[i] < 0) continue;
    const Size element = i / 64, row = i / 8 % 8, column = i % 8;
    const real *A = matrices + 576 * element + 72 * row + 3 * column;
    const real *left = modes + 18 * (Size)nodes[8 * element + row];
    const real *right = modes + 18 * (Size)nodes[8 * element + column];
    double *block = blocks + 36 * (Size)slots[i];
    double product[3][6];
    for (int c = 0; c < 3; c++)
      for (int m = 0; m < 6; m++)
        product[c][m] = (double)A[24 * c] * right[m] + (double)A[24 * c + 1] * right[6 + m]
                        + (double)A[24 * c + 2] * right[12 + m];
    for (int k = 0; k < 6; k++)
      for (int m = 0; m < 6; m++)
        ADD(block + 6 * k + m, left[k] * product[0][m] + left[6 + k] * product[1][m]
                                   + left[12 + k] * product[2][m]);
  }
}

/* forces[aggregate] += modes^T r, over the nodes of an aggregate; -1 stands for none. */
ENTRY void add_restricted(Size n, const int *aggregates, const real *modes, const real *r,
                          double *forces)
{
  ONE_BY_ONE {
    if (aggregates[i] < 0) continue;
    for (int m = 0; m < 6; m++) {
      double sum = 0.0;
      for (int c = 0; c < 3; c++) sum += modes[18 * i + 6 * c + m] * r[3 * i + c];
      ADD(forces + 6 * (Size)aggregates[i] + m, sum);
    }
  }
}

/* x = modes motions[aggregate], zero at nodes without one. */
ENTRY void prolong_motions(Size n, const int *aggregates, const real *modes,
                           const double *motions, real *x)
{
  ONE_BY_ONE
    for (int c = 0; c < 3; c++) {
      double sum = 0.0;
      if (aggregates[i] >= 0)
        for (int m = 0; m < 6; m++)
          sum += modes[18 * i + 6 * c + m] * motions[6 * (Size)aggregates[i] + m];
      x[3 * i + c] = (real)sum;
    }
}
