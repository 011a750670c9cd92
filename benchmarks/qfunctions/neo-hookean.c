/* The tangent of the neo-Hookean solid, written by hand in two ways.
 *
 * inverse:   dP = mu dF + (mu - lambda ln J) A (dF)^T A + lambda (A : dF) A, A = F^-T; stores A and
 *            mu - lambda ln J, ten numbers.  What text books print, and most codes do.
 * cofactor:  with K = cof F and d cof F = F x dF: dP = mu dF + a (F x dF) + b (K : dF) K with
 *            a = (lambda ln J - mu)/J, b = (lambda (1 - ln J) + mu)/J^2; stores F, a and b.  The
 *            least work we know of (J. Bonet et al., Int. J. Solids Struct. 84 (2016) 49-63, for
 *            the cross product). */
#include "hand-written.h"

int residual_inverse(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_u = in[0], *qdata = in[1], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0], *state = out[1];
  const CeedScalar lambda = parameters[0], mu = parameters[1];
  for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_u) LOAD_GEOMETRY PULL_BACK(H, v)
    const CeedScalar F0 = H0 + 1, F1 = H1, F2 = H2, F3 = H3, F4 = H4 + 1, F5 = H5, F6 = H6, F7 = H7, F8 = H8 + 1;
    COFACTOR(K, F)
    const CeedScalar J = F0 * K0 + F1 * K1 + F2 * K2, c = mu - lambda * log(J);
#define STORE(k) state[i + k * Q] = K##k / J;
    EACH(STORE)
#undef STORE
    state[i + 9 * Q] = c;
#define STRESS(k) const CeedScalar P##k = mu * F##k - c * (K##k / J);
    EACH(STRESS)
#undef STRESS
    PUSH_FORWARD(P)
  }
  return 0;
}

int jacobian_inverse(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_du = in[0], *qdata = in[1], *state = in[2], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0];
  const CeedScalar lambda = parameters[0], mu = parameters[1];
  _Pragma("omp simd") for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_du) LOAD_GEOMETRY PULL_BACK(D, v) LOAD9(A, state)
    const CeedScalar c = state[i + 9 * Q], t = lambda * INNER(A, D);
    /* B = D^T A, then A B. */
#define TIMES(k, a, b, d, e, f, g) const CeedScalar B##k = D##a * A##b + D##d * A##e + D##f * A##g;
    TIMES(0, 0, 0, 3, 3, 6, 6) TIMES(1, 0, 1, 3, 4, 6, 7) TIMES(2, 0, 2, 3, 5, 6, 8)
    TIMES(3, 1, 0, 4, 3, 7, 6) TIMES(4, 1, 1, 4, 4, 7, 7) TIMES(5, 1, 2, 4, 5, 7, 8)
    TIMES(6, 2, 0, 5, 3, 8, 6) TIMES(7, 2, 1, 5, 4, 8, 7) TIMES(8, 2, 2, 5, 5, 8, 8)
#undef TIMES
#define ENTRY(k, a0, a1, a2, b0, b1, b2) \
  const CeedScalar P##k = mu * D##k + t * A##k + c * (A##a0 * B##b0 + A##a1 * B##b1 + A##a2 * B##b2);
    ENTRY(0, 0, 1, 2, 0, 3, 6) ENTRY(1, 0, 1, 2, 1, 4, 7) ENTRY(2, 0, 1, 2, 2, 5, 8)
    ENTRY(3, 3, 4, 5, 0, 3, 6) ENTRY(4, 3, 4, 5, 1, 4, 7) ENTRY(5, 3, 4, 5, 2, 5, 8)
    ENTRY(6, 6, 7, 8, 0, 3, 6) ENTRY(7, 6, 7, 8, 1, 4, 7) ENTRY(8, 6, 7, 8, 2, 5, 8)
#undef ENTRY
    PUSH_FORWARD(P)
  }
  return 0;
}

int residual_cofactor(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_u = in[0], *qdata = in[1], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0], *state = out[1];
  const CeedScalar lambda = parameters[0], mu = parameters[1];
  for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_u) LOAD_GEOMETRY PULL_BACK(H, v)
    const CeedScalar F0 = H0 + 1, F1 = H1, F2 = H2, F3 = H3, F4 = H4 + 1, F5 = H5, F6 = H6, F7 = H7, F8 = H8 + 1;
    COFACTOR(K, F)
    const CeedScalar J = F0 * K0 + F1 * K1 + F2 * K2, a = (lambda * log(J) - mu) / J;
#define STORE(k) state[i + k * Q] = F##k;
    EACH(STORE)
#undef STORE
    state[i + 9 * Q] = a;
    state[i + 10 * Q] = (lambda / J - a) / J;
#define STRESS(k) const CeedScalar P##k = mu * F##k + a * K##k;
    EACH(STRESS)
#undef STRESS
    PUSH_FORWARD(P)
  }
  return 0;
}

int jacobian_cofactor(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_du = in[0], *qdata = in[1], *state = in[2], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0];
  const CeedScalar mu = parameters[1];
  _Pragma("omp simd") for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_du) LOAD_GEOMETRY PULL_BACK(D, v) LOAD9(F, state)
    const CeedScalar a = state[i + 9 * Q], b = state[i + 10 * Q];
    COFACTOR(K, F) CROSS(C, F, D)
    const CeedScalar t = b * INNER(K, D);
#define STRESS(k) const CeedScalar P##k = mu * D##k + a * C##k + t * K##k;
    EACH(STRESS)
#undef STRESS
    PUSH_FORWARD(P)
  }
  return 0;
}
