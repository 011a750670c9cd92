/* Numbers that count what is done with them; a kernel with one lane, read as C++, runs on them. */
#include <cmath>
#include <cstdio>

static long operations, quotients;

struct real {
  double value;
  real() = default;
  real(double v) : value(v) {}
};
static real operator+(real a, real b) { return operations++, real(a.value + b.value); }
static real operator-(real a, real b) { return operations++, real(a.value - b.value); }
static real operator*(real a, real b) { return operations++, real(a.value * b.value); }
static real operator/(real a, real b) { return quotients++, real(a.value / b.value); }
static real operator-(real a) { return real(-a.value); }
static real &operator+=(real &a, real b) { return a = a + b; }
static bool operator<(real a, real b) { return a.value < b.value; }
static bool operator>(real a, real b) { return a.value > b.value; }
static bool operator<=(real a, real b) { return a.value <= b.value; }
static bool operator>=(real a, real b) { return a.value >= b.value; }
static bool operator==(real a, real b) { return a.value == b.value; }
static real fabs(real a) { return real(std::fabs(a.value)); }
static real log(real a) { return real(std::log(a.value)); }
static real exp(real a) { return real(std::exp(a.value)); }
static real sqrt(real a) { return real(std::sqrt(a.value)); }
static real pow(real a, real b) { return real(std::pow(a.value, b.value)); }

struct vec {
  real lane[1];
  real &operator[](int l) { return lane[l]; }
  const real &operator[](int l) const { return lane[l]; }
};
static vec operator+(vec a, vec b) { return {{a[0] + b[0]}}; }
static vec operator-(vec a, vec b) { return {{a[0] - b[0]}}; }
static vec operator*(vec a, vec b) { return {{a[0] * b[0]}}; }
static vec operator*(real a, vec b) { return {{a * b[0]}}; }
static vec operator*(vec a, real b) { return {{a[0] * b}}; }
static vec operator+(real a, vec b) { return {{a + b[0]}}; }
static vec operator-(vec a, real b) { return {{a[0] - b}}; }
static vec operator/(int a, vec b) { return {{real(a) / b[0]}}; }
static vec &operator+=(vec &a, vec b) { return a = a + b; }
struct floats {
  float lane[1];
};
static vec converted(floats a) { return {{real(a.lane[0])}}; }
static floats converted(vec a) { return {{float(a[0].value)}}; }
#define __builtin_convertvector(a, type) converted(a)
/* How C makes a vector of ones: no operation of the method. */
static vec operator+(vec a, int b) { return {{real(a[0].value + b)}}; }

#define CEED_QFUNCTION(name) static int name
#define CeedPragmaSIMD
typedef int CeedInt;
typedef real CeedScalar;
