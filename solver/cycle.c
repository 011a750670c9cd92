/* Passes over L-vectors for the multigrid cycle.  `real` is defined before this text.
 *
 * Each pass reads and writes every vector once: outside the operator a cycle is limited by memory
 * alone.  y collects the operator, which adds to it: whoever has read it leaves it zero. */

#include <stddef.h>
#include <string.h>

typedef ptrdiff_t Size;

#define EACH _Pragma("omp simd") for (Size i = 0; i < n; ++i)

/* The first step of a polynomial from x = 0: r = b, d = scale S r. */
void from_zero(Size n, const real *restrict b, const real *restrict S, real *restrict x,
               real *restrict r, real *restrict d, double scale) {
  const real s = (real)scale;
  EACH {
    x[i] = 0;
    r[i] = b[i];
    d[i] = s * S[i] * b[i];
  }
}

/* The first step from any x, with y = A x: r = b - y, d = scale S r. */
void from_product(Size n, const real *restrict b, const real *restrict S, real *restrict y,
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
void step(Size n, const real *restrict S, real *restrict x, real *restrict r, real *restrict d,
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

/* s = W r. */
void multiply(Size n, const real *restrict W, const real *restrict r, real *restrict s) {
  EACH s[i] = W[i] * r[i];
}

/* d += scale W y. */
void lengthen(Size n, const real *restrict W, real *restrict y, real *restrict d, double scale) {
  const real a = (real)scale;
  EACH {
    d[i] += a * W[i] * y[i];
    y[i] = 0;
  }
}

/* The last step: x += weight d. */
void finish(Size n, real *restrict x, const real *restrict d, double weight) {
  const real w = (real)weight;
  EACH x[i] += w * d[i];
}

/* r = W (b - y), with y = A x. */
void weighted_residual(Size n, const real *restrict b, const real *restrict W, real *restrict y,
                       real *restrict r) {
  EACH {
    r[i] = W[i] * (b[i] - y[i]);
    y[i] = 0;
  }
}

/* x += y. */
void add(Size n, real *restrict x, real *restrict y) {
  EACH {
    x[i] += y[i];
    y[i] = 0;
  }
}

/* T-vector to L-vector: x[positions] = scale t. */
void scatter(Size n, const int *restrict positions, const double *restrict t, real *restrict x,
             double scale) {
  for (Size i = 0; i < n; ++i) x[positions[i]] = (real)(scale * t[i]);
}

/* L-vector to T-vector: t = scale x[positions]. */
void gather(Size n, const int *restrict positions, const real *restrict x, double *restrict t,
            double scale) {
  for (Size i = 0; i < n; ++i) t[i] = scale * (double)x[positions[i]];
}

/* What is sent: the values of nodes, three each, side by side. */
void pack(Size n, const int *restrict nodes, const real *restrict x, real *restrict buffer) {
  for (Size i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c) buffer[3 * i + c] = x[3 * (Size)nodes[i] + c];
}

/* Sum what all sharers of a node have, in the order of their ranks; slot -1 is this rank. */
void sum_shared(Size n, const int *restrict nodes, const int *restrict first,
                const int *restrict slots, const real *restrict buffer, real *restrict x) {
  for (Size i = 0; i < n; ++i) {
    real *own = x + 3 * (Size)nodes[i];
    real sum[3] = {0, 0, 0};
    for (int k = first[i]; k < first[i + 1]; ++k) {
      const real *value = slots[k] < 0 ? own : buffer + 3 * (Size)slots[k];
      for (int c = 0; c < 3; ++c) sum[c] += value[c];
    }
    memcpy(own, sum, sizeof sum);
  }
}

/* Inner products of three vectors and their images, without the copies of shared nodes:
 * products = (V^T A V, V^T D V), D = 1/S, for the rows of V and of A V. */
void span_products(Size n, const real *restrict counted, const real *restrict S,
                   const real *restrict V, const real *restrict AV, double *restrict products) {
  double sums[2][3][3] = {{{0}}};
  for (Size i = 0; i < n; ++i) {
    if (counted[i] == 0) continue;
    const double D = 1.0 / S[i];
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) {
        sums[0][a][b] += (double)V[a * n + i] * AV[b * n + i];
        sums[1][a][b] += D * V[a * n + i] * V[b * n + i];
      }
  }
  memcpy(products, sums, sizeof sums);
}

/* The next vectors of the search for an eigenvalue: with the coefficients of the best vector in the
 * span of x, r and p, which are the rows of V, p = c1 r + c2 p, x = c0 x + p, r = S A x - value x. */
void span_advance(Size n, const real *restrict S, real *restrict V, real *restrict AV, double c0,
                  double c1, double c2, double value) {
  const real a = (real)c0, b = (real)c1, c = (real)c2, v = (real)value;
  real *restrict x = V, *restrict r = V + n, *restrict p = V + 2 * n;
  real *restrict Ax = AV, *restrict Ar = AV + n, *restrict Ap = AV + 2 * n;
  EACH {
    const real step = b * r[i] + c * p[i], image = b * Ar[i] + c * Ap[i];
    x[i] = a * x[i] + step;
    Ax[i] = a * Ax[i] + image;
    p[i] = step;
    Ap[i] = image;
    r[i] = S[i] * Ax[i] - v * x[i];
    Ar[i] = 0;
  }
}
