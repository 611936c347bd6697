/* Checks a focal loss in C, its gradient and its Hessian's diagonal against focal_ref's test vectors:
 *
 *     cc -O2 check_vectors.c -lm -o check_vectors && ./check_vectors sigmoid-float64.json softmax-float64.json
 *
 * A case is a line of the file, and strtod reads hexadecimal numbers, "inf" and "nan": no JSON library is needed.
 * Exit status: 0, all within bounds; 1, a wrong loss; 2, no vectors. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 1100, LINE = 1 << 16 };

/* ---- the losses under test ---- */

/* Value and derivatives by the margin, of p, u = 1 - p and nll = -log p. */
static void focal(double p, double u, double nll, double gamma, double out[3]) {
    double modulator = pow(u, gamma), pull = p > 0 ? p * nll : 0;
    out[0] = modulator > 0 ? modulator * nll : 0;
    out[1] = -modulator * (gamma * pull + u);
    out[2] = modulator * (p * (1 + 2 * gamma) * u + gamma * pull * (gamma * p - u));
}

static void sigmoid(double x, double y, double gamma, double out[3]) {
    double sign = y == 1 ? 1 : -1, z = sign * x, e = exp(-fabs(z)), small = e / (1 + e), large = 1 / (1 + e);
    focal(z < 0 ? small : large, z < 0 ? large : small, log1p(e) + (z < 0 ? -z : 0), gamma, out);
    out[1] *= sign;
    if (isnan(x)) out[0] = out[1] = out[2] = NAN;
}

/* x - top and what its rounding lost; infinities that tie are equal. */
static double less(double x, double top, double *lost) {
    double d = x == top ? 0 : x - top, back = x - d;
    *lost = isfinite(d) && isfinite(back) ? (back - top) + (x - (d + back)) : 0;
    return d;
}

/* A plain sum of 1000 numbers loses digits: this one keeps what each step rounds away. */
static void add(double x, double *sum, double *lost) {
    double total = *sum + x;
    *lost += fabs(*sum) >= fabs(x) ? (*sum - total) + x : (x - total) + *sum;
    *sum = total;
}

static void softmax(int n, const double *x, int target, double gamma, double *value, double *grad, double *hess) {
    static double e[CLASSES];
    double top = x[0], others = 0, carried = 0, lost, out[3];
    for (int j = 0; j < n; j++) {
        if (isnan(x[j])) {
            *value = NAN;
            for (int k = 0; k < n; k++) grad[k] = hess[k] = NAN;
            return;
        }
        if (x[j] > top) top = x[j];
    }
    for (int j = 0; j < n; j++) {
        double d = less(x[j], top, &lost);
        e[j] = exp(d) * (1 + lost);
        if (j != target) add(e[j], &others, &carried);
    }
    others += carried;
    double all = others + e[target], depth = -less(x[target], top, &lost);
    double nll = depth > 0 ? depth - lost + log(all) : log1p(others / e[target]);
    focal(e[target] / all, others / all, nll, gamma, out);
    *value = out[0];
    for (int j = 0; j < n; j++) {
        double q = others > 0 ? e[j] / others : 0, rest = 1 - q;
        if (q > 0.5 && j != target) { /* 1 - q, without cancelling */
            rest = carried = 0;
            for (int k = 0; k < n; k++) add(k == j || k == target ? 0 : e[k] / others, &rest, &carried);
            rest += carried;
        }
        grad[j] = j == target ? out[1] : -out[1] * q;
        hess[j] = j == target ? out[2] : out[2] * q * q - out[1] * q * rest;
    }
}

/* ---- reading ---- */

static const char *after(const char *line, const char *key) {
    char name[40];
    snprintf(name, sizeof name, "\"%s\": ", key);
    const char *at = strstr(line, name);
    return at ? at + strlen(name) : NULL;
}

/* A number, a list of them, or {"length": n, "tile": [...], "at": {"3": ...}}: how many. */
static int numbers(const char *at, double *out) {
    int n = 0;
    char *end = NULL;
    if (!at || *at == 'n') return 0; /* absent, or null */
    if (*at == '"') return out[0] = strtod(at + 1, NULL), 1;
    if (*at == '[') {
        const char *last = strchr(at, ']');
        for (; (at = strchr(at, '"')) && at < last; at = strchr(at + 1, '"') + 1) out[n++] = strtod(at + 1, NULL);
        return n;
    }
    int length = (int)strtol(after(at, "length"), NULL, 10), tile = numbers(after(at, "tile"), out);
    for (int j = tile; j < length; j++) out[j] = out[j - tile];
    for (at = after(at, "at") + 1; *at != '}'; at = end + strcspn(end, ",}")) {
        int j = (int)strtol(strchr(at, '"') + 1, &end, 10);
        out[j] = strtod(strchr(end + 1, '"') + 1, &end);
    }
    return length;
}

static double number(const char *line, const char *key, double absent) {
    double found;
    return numbers(after(line, key), &found) ? found : absent;
}

/* ---- judging ---- */

/* The largest error of a quantity, in units in the last place of the sum of its terms. */
static double error(const char *line, const char *key, const char *next, int n, const double *got, double slack) {
    static double exact[CLASSES], terms[CLASSES];
    const char *at = after(line, key), *end = next ? after(line, next) : line + strlen(line), *of_terms = after(at, "terms");
    double worst = 0;
    if (numbers(after(at, "hex"), exact) != n) return INFINITY;
    if (!of_terms || of_terms >= end) memcpy(terms, exact, sizeof exact);
    else numbers(of_terms, terms);
    for (int j = 0; j < n; j++) {
        double size = fmin(fmax(fabs(terms[j]), DBL_MIN), DBL_MAX / 2), off = fabs(got[j] - exact[j]) - slack;
        if (isnan(exact[j]) || isnan(got[j])) off = isnan(exact[j]) && isnan(got[j]) ? 0 : INFINITY;
        else if (isinf(exact[j]) || isinf(got[j])) off = got[j] == exact[j] ? 0 : INFINITY;
        worst = fmax(worst, off / (nextafter(size, INFINITY) - size));
    }
    return worst;
}

static double weight_of(const char *line, int row, int target, double y) {
    static double alpha[CLASSES];
    int n = numbers(after(line, "alpha"), alpha);
    double own = n == 0 ? 1 : row ? alpha[n > 1 ? target : 0] : y == 1 ? alpha[0] : 1 - alpha[0];
    return own * number(line, "weight", 1);
}

/* Whether a case is right. */
static int right(const char *line, int row, double ignored) {
    static double x[CLASSES], value[1], grad[CLASSES], hess[CLASSES];
    const char *at = after(line, "target");
    double gamma = number(line, "gamma", NAN), slack = number(line, "slack", 0), y = 0, out[3], weight = 0;
    int n = numbers(after(line, row ? "logits" : "logit"), x), target = 0;
    double b = (row ? 6 : 4) + 2 * gamma, hess_bound = row ? 8 + 3 * gamma : 6 + 2.5 * gamma;
    if (*at == '"') y = number(line, "target", NAN);
    else target = (int)strtol(at, NULL, 10);
    if (*at == '"' || target != ignored) weight = weight_of(line, row, target, y);
    if (weight == 0) memset(value, 0, sizeof value), memset(grad, 0, sizeof grad), memset(hess, 0, sizeof hess);
    else if (row) softmax(n, x, target, gamma, value, grad, hess);
    else sigmoid(x[0], y, gamma, out), *value = out[0], *grad = out[1], *hess = out[2];
    for (int j = 0; weight > 0 && j < n; j++) grad[j] *= weight, hess[j] *= weight;
    if (weight > 0) *value *= weight;
    double of_value = error(line, "value", "grad", 1, value, slack), of_grad = error(line, "grad", "hess", n, grad, slack);
    double of_hess = error(line, "hess", NULL, n, hess, slack);
    if (of_value <= b && of_grad <= b && of_hess <= hess_bound) return 1;
    printf("%.19s: %g ULP in the value, %g in the gradient, at most %g; %g in the Hessian, at most %g\n", line + 8, of_value,
           of_grad, b, of_hess, hess_bound);
    return 0;
}

int main(int argc, char **argv) {
    static char line[LINE];
    int wrong = 0;
    for (int i = 1; i < argc || argc == 1; i++) {
        FILE *file = argc > 1 ? fopen(argv[i], "r") : NULL;
        int checked = 0, failed = 0, soft = 0;
        double ignored = NAN;
        while (file && fgets(line, sizeof line, file)) {
            int row = !strncmp(line, "{\"id\": \"softmax-float64-", 24);
            if (!strncmp(line, " \"ignore_index\": ", 17)) ignored = strtod(line + 17, NULL);
            if ((!row && strncmp(line, "{\"id\": \"sigmoid-float64-", 24)) || strstr(line, "-batch-")) continue;
            if (strstr(line, "\"soft_targets\": null")) checked++, failed += !right(line, row, ignored);
            else soft++; /* these losses are for hard targets */
        }
        if (file) fclose(file);
        if (!checked) return fprintf(stderr, "usage: %s sigmoid-float64.json softmax-float64.json\n", argv[0]), 2;
        printf("%s: %d cases checked, %d wrong; %d with soft targets left out\n", argv[i], checked, failed, soft);
        wrong += failed;
    }
    return wrong > 0;
}
