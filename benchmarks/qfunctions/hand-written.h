/* What the tangents written by hand share: the way from the reference element and back.  All of it
 * is text that a compiler inlines into one straight-line loop body. */
#include <math.h>
typedef double CeedScalar;
typedef int CeedInt;

#define LOAD9(x, from) \
  const CeedScalar x##0 = from[i], x##1 = from[i + Q], x##2 = from[i + 2 * Q], x##3 = from[i + 3 * Q], \
                   x##4 = from[i + 4 * Q], x##5 = from[i + 5 * Q], x##6 = from[i + 6 * Q], \
                   x##7 = from[i + 7 * Q], x##8 = from[i + 8 * Q];

/* w and dxi/dX, g<3 d + J>. */
#define LOAD_GEOMETRY \
  const CeedScalar w = qdata[i], g0 = qdata[i + Q], g1 = qdata[i + 2 * Q], g2 = qdata[i + 3 * Q], \
                   g3 = qdata[i + 4 * Q], g4 = qdata[i + 5 * Q], g5 = qdata[i + 6 * Q], \
                   g6 = qdata[i + 7 * Q], g7 = qdata[i + 8 * Q], g8 = qdata[i + 9 * Q];

/* D<3 c + J> = sum_d v<c + 3 d> g<3 d + J>, row c. */
#define ROW(D, v, c, a, b, e, k0, k1, k2) \
  const CeedScalar D##k0 = v##a * g0 + v##b * g3 + v##e * g6, \
                   D##k1 = v##a * g1 + v##b * g4 + v##e * g7, \
                   D##k2 = v##a * g2 + v##b * g5 + v##e * g8;
#define PULL_BACK(D, v) \
  ROW(D, v, 0, 0, 3, 6, 0, 1, 2) ROW(D, v, 1, 1, 4, 7, 3, 4, 5) ROW(D, v, 2, 2, 5, 8, 6, 7, 8)

#define PUSH(P, c, d, p0, p1, p2, h0, h1, h2) \
  out_v[i + (c + 3 * d) * Q] = w * (P##p0 * h0 + P##p1 * h1 + P##p2 * h2);
#define PUSH_FORWARD(P) \
  PUSH(P, 0, 0, 0, 1, 2, g0, g1, g2) PUSH(P, 1, 0, 3, 4, 5, g0, g1, g2) PUSH(P, 2, 0, 6, 7, 8, g0, g1, g2) \
  PUSH(P, 0, 1, 0, 1, 2, g3, g4, g5) PUSH(P, 1, 1, 3, 4, 5, g3, g4, g5) PUSH(P, 2, 1, 6, 7, 8, g3, g4, g5) \
  PUSH(P, 0, 2, 0, 1, 2, g6, g7, g8) PUSH(P, 1, 2, 3, 4, 5, g6, g7, g8) PUSH(P, 2, 2, 6, 7, 8, g6, g7, g8)

/* Tensor cross product (A x B)_iJ = eps_ijk eps_JKL A_jK B_kL: d cof F = F x dF. */
#define CROSS_ENTRY(C, k, A, B, p, q, r, s) \
  const CeedScalar C##k = A##p * B##q + A##q * B##p - A##r * B##s - A##s * B##r;
#define CROSS(C, A, B) \
  CROSS_ENTRY(C, 0, A, B, 4, 8, 5, 7) CROSS_ENTRY(C, 1, A, B, 5, 6, 3, 8) CROSS_ENTRY(C, 2, A, B, 3, 7, 4, 6) \
  CROSS_ENTRY(C, 3, A, B, 2, 7, 1, 8) CROSS_ENTRY(C, 4, A, B, 0, 8, 2, 6) CROSS_ENTRY(C, 5, A, B, 1, 6, 0, 7) \
  CROSS_ENTRY(C, 6, A, B, 1, 5, 2, 4) CROSS_ENTRY(C, 7, A, B, 2, 3, 0, 5) CROSS_ENTRY(C, 8, A, B, 0, 4, 1, 3)

#define INNER(A, B) \
  (A##0 * B##0 + A##1 * B##1 + A##2 * B##2 + A##3 * B##3 + A##4 * B##4 + A##5 * B##5 + A##6 * B##6 + \
   A##7 * B##7 + A##8 * B##8)

#define COFACTOR(K, F) \
  const CeedScalar K##0 = F##4 * F##8 - F##5 * F##7, K##1 = F##5 * F##6 - F##3 * F##8, \
                   K##2 = F##3 * F##7 - F##4 * F##6, K##3 = F##2 * F##7 - F##1 * F##8, \
                   K##4 = F##0 * F##8 - F##2 * F##6, K##5 = F##1 * F##6 - F##0 * F##7, \
                   K##6 = F##1 * F##5 - F##2 * F##4, K##7 = F##2 * F##3 - F##0 * F##5, \
                   K##8 = F##0 * F##4 - F##1 * F##3;

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8)
