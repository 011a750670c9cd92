/* The tangent of the Mooney-Rivlin solid, written by hand in two ways.
 *
 * S:         dP = dF S + F dS with S = (mu1 + mu2 I1) I - mu2 C + s C^-1, s = lambda ln J - mu1
 *            - 2 mu2; dS = 2 mu2 (tr dE I - dE) + lambda (C^-1 : dE) C^-1 - 2 s C^-1 dE C^-1, what
 *            libCEED's example does; stores F, C^-1 and s, sixteen numbers.
 * cofactor:  I2 = K : K with K = cof F, dK = F x dF: dP = mu1 dF + a dK + b (K : dF) K
 *            + mu2 (dK x F + K x dF) with a = s/J, b = (lambda - s)/J^2; stores F, a and b. */
#include "hand-written.h"

int residual_S(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_u = in[0], *qdata = in[1], *parameters = (const CeedScalar *)ctx;
  CeedScalar *state = out[1];
  const CeedScalar lambda = parameters[0], mu1 = parameters[1], mu2 = parameters[2];
  for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_u) LOAD_GEOMETRY PULL_BACK(H, v)
    const CeedScalar F0 = H0 + 1, F1 = H1, F2 = H2, F3 = H3, F4 = H4 + 1, F5 = H5, F6 = H6, F7 = H7, F8 = H8 + 1;
    COFACTOR(K, F)
    const CeedScalar J = F0 * K0 + F1 * K1 + F2 * K2, s = lambda * log(J) - mu1 - 2 * mu2;
    out[0][i] = w;
#define STORE(k) state[i + k * Q] = F##k;
    EACH(STORE)
#undef STORE
    /* C^-1 = F^-1 F^-T = K^T K / J^2: 00 11 22 12 02 01. */
    state[i + 9 * Q] = (K0 * K0 + K3 * K3 + K6 * K6) / (J * J);
    state[i + 10 * Q] = (K1 * K1 + K4 * K4 + K7 * K7) / (J * J);
    state[i + 11 * Q] = (K2 * K2 + K5 * K5 + K8 * K8) / (J * J);
    state[i + 12 * Q] = (K1 * K2 + K4 * K5 + K7 * K8) / (J * J);
    state[i + 13 * Q] = (K0 * K2 + K3 * K5 + K6 * K8) / (J * J);
    state[i + 14 * Q] = (K0 * K1 + K3 * K4 + K6 * K7) / (J * J);
    state[i + 15 * Q] = s;
  }
  return 0;
}

int jacobian_S(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_du = in[0], *qdata = in[1], *state = in[2], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0];
  const CeedScalar lambda = parameters[0], mu1 = parameters[1], mu2 = parameters[2];
  _Pragma("omp simd") for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_du) LOAD_GEOMETRY PULL_BACK(D, v) LOAD9(F, state)
    const CeedScalar i0 = state[i + 9 * Q], i1 = state[i + 10 * Q], i2 = state[i + 11 * Q], i3 = state[i + 12 * Q],
                     i4 = state[i + 13 * Q], i5 = state[i + 14 * Q], s = state[i + 15 * Q];
    const CeedScalar c0 = F0 * F0 + F3 * F3 + F6 * F6, c1 = F1 * F1 + F4 * F4 + F7 * F7,
                     c2 = F2 * F2 + F5 * F5 + F8 * F8, c3 = F1 * F2 + F4 * F5 + F7 * F8,
                     c4 = F0 * F2 + F3 * F5 + F6 * F8, c5 = F0 * F1 + F3 * F4 + F6 * F7;
    const CeedScalar e0 = F0 * D0 + F3 * D3 + F6 * D6, e1 = F1 * D1 + F4 * D4 + F7 * D7,
                     e2 = F2 * D2 + F5 * D5 + F8 * D8,
                     e3 = 0.5 * (F1 * D2 + F4 * D5 + F7 * D8 + F2 * D1 + F5 * D4 + F8 * D7),
                     e4 = 0.5 * (F0 * D2 + F3 * D5 + F6 * D8 + F2 * D0 + F5 * D3 + F8 * D6),
                     e5 = 0.5 * (F0 * D1 + F3 * D4 + F6 * D7 + F1 * D0 + F4 * D3 + F7 * D6);
    const CeedScalar p = mu1 + mu2 * (c0 + c1 + c2);
    const CeedScalar S0 = p - mu2 * c0 + s * i0, S1 = p - mu2 * c1 + s * i1, S2 = p - mu2 * c2 + s * i2,
                     S3 = s * i3 - mu2 * c3, S4 = s * i4 - mu2 * c4, S5 = s * i5 - mu2 * c5;
    const CeedScalar t = lambda * (i0 * e0 + i1 * e1 + i2 * e2 + 2 * (i3 * e3 + i4 * e4 + i5 * e5)),
                     q = 2 * mu2 * (e0 + e1 + e2), r = -2 * s;
    /* B = dE C^-1, then C^-1 B. */
    const CeedScalar B0 = e0 * i0 + e5 * i5 + e4 * i4, B1 = e0 * i5 + e5 * i1 + e4 * i3, B2 = e0 * i4 + e5 * i3 + e4 * i2,
                     B3 = e5 * i0 + e1 * i5 + e3 * i4, B4 = e5 * i5 + e1 * i1 + e3 * i3, B5 = e5 * i4 + e1 * i3 + e3 * i2,
                     B6 = e4 * i0 + e3 * i5 + e2 * i4, B7 = e4 * i5 + e3 * i1 + e2 * i3, B8 = e4 * i4 + e3 * i3 + e2 * i2;
    const CeedScalar T0 = q - 2 * mu2 * e0 + t * i0 + r * (i0 * B0 + i5 * B3 + i4 * B6),
                     T1 = q - 2 * mu2 * e1 + t * i1 + r * (i5 * B1 + i1 * B4 + i3 * B7),
                     T2 = q - 2 * mu2 * e2 + t * i2 + r * (i4 * B2 + i3 * B5 + i2 * B8),
                     T3 = t * i3 - 2 * mu2 * e3 + r * (i5 * B2 + i1 * B5 + i3 * B8),
                     T4 = t * i4 - 2 * mu2 * e4 + r * (i0 * B2 + i5 * B5 + i4 * B8),
                     T5 = t * i5 - 2 * mu2 * e5 + r * (i0 * B1 + i5 * B4 + i4 * B7);
#define ENTRY(k, a, b, d, x, y, z) \
  const CeedScalar P##k = D##a * S##x + D##b * S##y + D##d * S##z + F##a * T##x + F##b * T##y + F##d * T##z;
    ENTRY(0, 0, 1, 2, 0, 5, 4) ENTRY(1, 0, 1, 2, 5, 1, 3) ENTRY(2, 0, 1, 2, 4, 3, 2)
    ENTRY(3, 3, 4, 5, 0, 5, 4) ENTRY(4, 3, 4, 5, 5, 1, 3) ENTRY(5, 3, 4, 5, 4, 3, 2)
    ENTRY(6, 6, 7, 8, 0, 5, 4) ENTRY(7, 6, 7, 8, 5, 1, 3) ENTRY(8, 6, 7, 8, 4, 3, 2)
#undef ENTRY
    PUSH_FORWARD(P)
  }
  return 0;
}

int residual_cofactor(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_u = in[0], *qdata = in[1], *parameters = (const CeedScalar *)ctx;
  CeedScalar *state = out[1];
  const CeedScalar lambda = parameters[0], mu1 = parameters[1], mu2 = parameters[2];
  for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_u) LOAD_GEOMETRY PULL_BACK(H, v)
    const CeedScalar F0 = H0 + 1, F1 = H1, F2 = H2, F3 = H3, F4 = H4 + 1, F5 = H5, F6 = H6, F7 = H7, F8 = H8 + 1;
    COFACTOR(K, F)
    const CeedScalar J = F0 * K0 + F1 * K1 + F2 * K2, s = lambda * log(J) - mu1 - 2 * mu2;
    out[0][i] = w;
#define STORE(k) state[i + k * Q] = F##k;
    EACH(STORE)
#undef STORE
    state[i + 9 * Q] = s / J;
    state[i + 10 * Q] = (lambda - s) / (J * J);
  }
  return 0;
}

int jacobian_cofactor(void *ctx, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_du = in[0], *qdata = in[1], *state = in[2], *parameters = (const CeedScalar *)ctx;
  CeedScalar *out_v = out[0];
  const CeedScalar mu1 = parameters[1], mu2 = parameters[2];
  _Pragma("omp simd") for (CeedInt i = 0; i < Q; i++) {
    LOAD9(v, grad_du) LOAD_GEOMETRY PULL_BACK(D, v) LOAD9(F, state)
    const CeedScalar a = state[i + 9 * Q], b = state[i + 10 * Q];
    COFACTOR(K, F) CROSS(C, F, D) CROSS(U, C, F) CROSS(V, K, D)
    const CeedScalar t = b * INNER(K, D);
#define STRESS(k) const CeedScalar P##k = mu1 * D##k + a * C##k + t * K##k + mu2 * (U##k + V##k);
    EACH(STRESS)
#undef STRESS
    PUSH_FORWARD(P)
  }
  return 0;
}
