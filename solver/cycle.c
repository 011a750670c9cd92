/* Passes over L-vectors for the multigrid cycle and the Krylov method.
 *
 * Defined before this text, for a processor or a device (passes.py, device/memory.py): `real`, Size,
 * ENTRY, the loops EACH, ONE_BY_ONE (which no vector register can do) and SUMMED, which adds up to
 * `sum`, and TOTAL, which adds that to a number in memory.
 *
 * Each pass reads and writes every vector once: outside the operator a cycle is limited by memory
 * alone.  y collects the operator, which adds to it: whoever has read it leaves it zero. */

/* The first step of a polynomial from x = 0: r = b, d = scale S r. */
ENTRY void from_zero(Size n, const real *restrict b, const real *restrict S, real *restrict x,
               real *restrict r, real *restrict d, double scale) {
  const real s = (real)scale;
  EACH {
    x[i] = 0;
    r[i] = b[i];
    d[i] = s * S[i] * b[i];
  }
}

/* The first step from any x, with y = A x: r = b - y, d = scale S r. */
ENTRY void from_product(Size n, const real *restrict b, const real *restrict S, real *restrict y,
                  real *restrict r, real *restrict d, double scale) {
  const real s = (real)scale;
  EACH {
    const real left = b[i] - y[i];
    r[i] = left;
    d[i] = s * S[i] * left;
    y[i] = 0;
  }
}

/* A further step, with y = A d: x += weight d, r -= y, d = keep d + scale S r. */
ENTRY void step(Size n, const real *restrict S, real *restrict x, real *restrict r, real *restrict d,
          real *restrict y, double weight, double keep, double scale) {
  const real w = (real)weight, k = (real)keep, s = (real)scale;
  EACH {
    const real left = r[i] - y[i], before = d[i];
    x[i] += w * before;
    r[i] = left;
    d[i] = k * before + s * S[i] * left;
    y[i] = 0;
  }
}

/* s = W r, which may be the same. */
ENTRY void multiply(Size n, const real *restrict W, const real *r, real *s) {
  EACH s[i] = W[i] * r[i];
}

/* d += scale W y. */
ENTRY void lengthen(Size n, const real *restrict W, real *restrict y, real *restrict d, double scale) {
  const real a = (real)scale;
  EACH {
    d[i] += a * W[i] * y[i];
    y[i] = 0;
  }
}

/* The last step: x += weight d. */
ENTRY void finish(Size n, real *restrict x, const real *restrict d, double weight) {
  const real w = (real)weight;
  EACH x[i] += w * d[i];
}

/* r = W (b - y), with y = A x. */
ENTRY void weighted_residual(Size n, const real *restrict b, const real *restrict W, real *restrict y,
                       real *restrict r) {
  EACH {
    r[i] = W[i] * (b[i] - y[i]);
    y[i] = 0;
  }
}

/* x += y. */
ENTRY void add(Size n, real *restrict x, real *restrict y) {
  EACH {
    x[i] += y[i];
    y[i] = 0;
  }
}

/* T-vector to L-vector: x[positions] = scale t. */
ENTRY void scatter(Size n, const int *restrict positions, const double *restrict t, real *restrict x,
             double scale) {
  ONE_BY_ONE x[positions[i]] = (real)(scale * t[i]);
}

/* L-vector to T-vector: t = scale x[positions]. */
ENTRY void gather(Size n, const int *restrict positions, const real *restrict x, double *restrict t,
            double scale) {
  ONE_BY_ONE t[i] = scale * (double)x[positions[i]];
}

/* What is sent: the values of nodes, three each, side by side. */
ENTRY void pack(Size n, const int *restrict nodes, const real *restrict x, real *restrict buffer) {
  ONE_BY_ONE
    for (int c = 0; c < 3; ++c) buffer[3 * i + c] = x[3 * (Size)nodes[i] + c];
}

/* Sum what all sharers of a node have, in the order of their ranks; slot -1 is this rank. */
ENTRY void sum_shared(Size n, const int *restrict nodes, const int *restrict first,
                const int *restrict slots, const real *restrict buffer, real *restrict x) {
  ONE_BY_ONE {
    real *own = x + 3 * (Size)nodes[i];
    real sum[3] = {0, 0, 0};
    for (int k = first[i]; k < first[i + 1]; ++k) {
      const real *value = slots[k] < 0 ? own : buffer + 3 * (Size)slots[k];
      for (int c = 0; c < 3; ++c) sum[c] += value[c];
    }
    for (int c = 0; c < 3; ++c) own[c] = sum[c];
  }
}

/* Nodes become zero. */
ENTRY void clear_nodes(Size n, const int *restrict nodes, real *restrict x) {
  ONE_BY_ONE
    for (int c = 0; c < 3; ++c) x[3 * (Size)nodes[i] + c] = 0;
}

/* From another precision: x = scale W t. */
ENTRY void convert(Size n, const real *restrict W, const double *restrict t, real *restrict x,
                   double scale) {
  EACH x[i] = W[i] * (real)(scale * t[i]);
}

/* And back: t = scale x. */
ENTRY void convert_back(Size n, const real *restrict x, double *restrict t, double scale) {
  EACH t[i] = scale * (double)x[i];
}

/* y += scale x. */
ENTRY void add_scaled(Size n, const real *restrict x, real *restrict y, double scale) {
  const real a = (real)scale;
  EACH y[i] += a * x[i];
}

/* y = x + scale y. */
ENTRY void scale_and_add(Size n, const real *restrict x, real *restrict y, double scale) {
  const real a = (real)scale;
  EACH y[i] = x[i] + a * y[i];
}

/* *product += sum of w x y. */
ENTRY void dot(Size n, const real *restrict w, const real *x, const real *y,
               double *restrict product) {
  double sum = 0;
  SUMMED sum += (double)(w[i] * x[i]) * (double)y[i];
  TOTAL(sum, product);
}

/* y += A x, with the entries of A one by one. */
ENTRY void add_entries(Size n, const int *restrict rows, const int *restrict columns,
                       const real *restrict values, const real *restrict x, real *restrict y) {
  ONE_BY_ONE ADD(y + rows[i], values[i] * x[columns[i]]);
}

/* The least of every n-th of `length` numbers, and its place; what is no number is less than any. */
ENTRY void least(Size n, const real *restrict values, real *restrict least_values,
                 double *restrict places, double length) {
  ONE_BY_ONE {
    Size place = i;
    real value = values[i];
    for (Size k = i + n; k < (Size)length; k += n)
      if (!(values[k] >= value) && value == value) {
        value = values[k];
        place = k;
      }
    least_values[i] = value;
    places[i] = (double)place;
  }
}
