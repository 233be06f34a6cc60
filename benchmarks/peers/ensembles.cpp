// One core, one start at a time: Dormand and Prince's 8(5,3) pair on the flow of problem 14.1.
//
// 2 x 2, E = ((w_11 - 1)^2 + (w_22 - 1)^2) / 2. DEPTH layers upstairs; DEPTH 0 is depth inf,
// downstairs. peers/native.py writes tableau.h (the coefficients of the pair) and builds it.
//
// ensembles STARTS RTOL STOP: reads doubles from the file STARTS, prints the seconds of processor
// time a start, and the mean number of evaluations.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <vector>

#include "tableau.h"  // constexpr double A[12][12], B[12], E3[12], E5[12]

constexpr int N = DEPTH;
constexpr int SIZE = N == 0 ? 4 : 4 * N;

struct M {
    double a, b, c, d;
};
static inline M mul(const M& x, const M& y) {
    return {x.a * y.a + x.b * y.c, x.a * y.b + x.b * y.d, x.c * y.a + x.d * y.c, x.c * y.b + x.d * y.d};
}
static inline M left_t(const M& x, const M& y) {  // x' y
    return {x.a * y.a + x.c * y.c, x.a * y.b + x.c * y.d, x.b * y.a + x.d * y.c, x.b * y.b + x.d * y.d};
}
static inline M right_t(const M& x, const M& y) {  // x y'
    return {x.a * y.a + x.b * y.b, x.a * y.c + x.b * y.d, x.c * y.a + x.d * y.b, x.c * y.c + x.d * y.d};
}
static inline M at(const double* y) { return {y[0], y[1], y[2], y[3]}; }
static inline void put(double* y, const M& x) { y[0] = -x.a, y[1] = -x.b, y[2] = -x.c, y[3] = -x.d; }

static double upstairs(const double* y, double* f) {
    constexpr int K = N == 0 ? 1 : N;
    M prefix[K];
    prefix[0] = at(y);
    for (int p = 1; p < K; p++) prefix[p] = mul(at(y + 4 * p), prefix[p - 1]);
    M g = {prefix[K - 1].a - 1, 0, 0, prefix[K - 1].d - 1};
    const double value = 0.5 * (g.a * g.a + g.d * g.d);
    for (int p = K - 1; p > 0; p--) {
        put(f + 4 * p, right_t(g, prefix[p - 1]));
        g = left_t(at(y + 4 * p), g);
    }
    put(f, g);
    return value;
}

static double downstairs(const double* y, double* f) {  // depth inf: frames in closed form
    const double r = y[0] - 1, s = y[3] - 1;
    const double x = 0.5 * (y[0] + y[3]), v = 0.5 * (y[2] - y[1]);
    const double p = 0.5 * (y[0] - y[3]), q = 0.5 * (y[2] + y[1]);
    const double size = std::hypot(x, v), other = std::hypot(p, q);
    const double alpha = std::atan2(v, x), beta = std::atan2(q, p);
    const double big = size + other, det = y[0] * y[3] - y[1] * y[2], small = std::fabs(det) / big;
    const double cu = std::cos(0.5 * (alpha + beta)), su = std::sin(0.5 * (alpha + beta));
    const double cv = std::cos(0.5 * (beta - alpha)), sv = std::sin(0.5 * (beta - alpha));
    const double sign = det < 0 ? -1 : 1;
    const M U = {cu, -su, su, cu}, V = {cv, -sign * sv, sv, sign * cv};
    M z = mul(left_t(U, {r, 0, 0, s}), V);
    const double ratio = std::log(big / small);
    const double k = ratio < 1e-4 ? big * small : 0.5 * (big - small) * (big + small) / ratio;
    z = {z.a * big * big, z.b * k, z.c * k, z.d * small * small};
    put(f, right_t(mul(U, z), V));
    return 0.5 * (r * r + s * s);
}

static double velocity(const double* y, double* f) {
    return N == 0 ? downstairs(y, f) : upstairs(y, f);
}

static double norm(const double* y, const double* scale) {
    double sum = 0;
    for (int i = 0; i < SIZE; i++) sum += y[i] / scale[i] * (y[i] / scale[i]);
    return std::sqrt(sum / SIZE);
}

static double first_step(const double* y, const double* f, double rtol, double atol) {
    double scale[SIZE], y1[SIZE], f1[SIZE];
    for (int i = 0; i < SIZE; i++) scale[i] = atol + rtol * std::fabs(y[i]);
    const double d0 = norm(y, scale), d1 = norm(f, scale), h = 0.01 * d0 / d1;
    for (int i = 0; i < SIZE; i++) y1[i] = y[i] + h * f[i];
    velocity(y1, f1);
    for (int i = 0; i < SIZE; i++) f1[i] -= f[i];
    return std::min(100 * h, std::pow(0.01 / std::max(d1, norm(f1, scale) / h), 0.125));
}

static int follow(double* y, double rtol, double stop) {
    double k[12][SIZE], stage[SIZE], f[SIZE], largest = 0;
    for (int i = 0; i < SIZE; i++) largest = std::max(largest, std::fabs(y[i]));
    const double atol = 1e-3 * rtol * largest;
    double value = velocity(y, k[0]), h = first_step(y, k[0], rtol, atol);
    int evaluations = 2;
    bool rejected = false;
    while (value > stop && evaluations < 1000000) {
        for (int s = 1; s < 12; s++) {
            for (int i = 0; i < SIZE; i++) {
                double sum = 0;
                for (int j = 0; j < s; j++)
                    if (A[s][j] != 0) sum += A[s][j] * k[j][i];
                stage[i] = y[i] + h * sum;
            }
            velocity(stage, k[s]);
        }
        double three = 0, five = 0;
        for (int i = 0; i < SIZE; i++) {
            double sum = 0, e3 = 0, e5 = 0;
            for (int j = 0; j < 12; j++) {
                if (B[j] != 0) sum += B[j] * k[j][i];
                if (E3[j] != 0) e3 += E3[j] * k[j][i];
                if (E5[j] != 0) e5 += E5[j] * k[j][i];
            }
            stage[i] = y[i] + h * sum;
            const double scale = atol + rtol * std::max(std::fabs(y[i]), std::fabs(stage[i]));
            three += e3 / scale * (e3 / scale), five += e5 / scale * (e5 / scale);
        }
        const double both = five + 0.01 * three;
        const double error = both > 0 ? h * five / std::sqrt(both * SIZE) : 0;
        evaluations += 11;
        double factor = error > 0 ? 0.9 * std::pow(error, -0.125) : 10;
        if (error < 1) {
            value = velocity(stage, f), evaluations++;
            for (int i = 0; i < SIZE; i++) y[i] = stage[i], k[0][i] = f[i];
            h *= rejected ? std::min(1.0, factor) : std::min(10.0, factor);
            rejected = false;
        } else {
            h *= std::max(0.2, factor), rejected = true;
        }
    }
    return evaluations;
}

int main(int, char** argv) {
    std::FILE* file = std::fopen(argv[1], "rb");
    std::vector<double> y;
    double x;
    while (std::fread(&x, sizeof x, 1, file) == 1) y.push_back(x);
    const size_t count = y.size() / SIZE;
    const std::clock_t begin = std::clock();
    long evaluations = 0;
    for (size_t k = 0; k < count; k++) evaluations += follow(&y[k * SIZE], std::atof(argv[2]), std::atof(argv[3]));
    const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf("%.6e %.1f %.17g\n", seconds / count, double(evaluations) / count, y[0]);
}
