/* Checks a focal loss in C against focal_ref's test vectors:
 *
 *     cc -O2 check_vectors.c -lm -o check_vectors && ./check_vectors sigmoid-float64.json
 *
 * A case is a line of the file, and strtod reads hexadecimal numbers, "inf" and "nan": no JSON library is needed.
 * Exit status: 0, all within bounds; 1, a wrong loss; 2, no vectors. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The loss under test, and its derivative by the logit. */
static void focal(double x, double y, double gamma, double alpha, double *value, double *grad) {
    double sign = y == 1 ? 1 : -1, z = sign * x, weight = alpha < 0 ? 1 : y == 1 ? alpha : 1 - alpha;
    double e = exp(-fabs(z)), small = e / (1 + e), large = 1 / (1 + e);
    double p = z < 0 ? small : large, u = z < 0 ? large : small; /* u = 1 - p */
    double nll = log1p(e) + (z < 0 ? -z : 0);                    /* -log p */
    double modulator = weight * pow(u, gamma);
    *value = weight == 0 ? 0 : modulator * nll;
    *grad = weight == 0 ? 0 : -sign * modulator * (gamma * (p > 0 ? p * nll : 0) + u);
    if (isnan(x)) *value = *grad = NAN;
}

/* The number after "key": and an optional {"hex": in a case; absent gives what is handed in. */
static double number(const char *line, const char *key, double absent) {
    char name[40];
    snprintf(name, sizeof name, "\"%s\": ", key);
    const char *at = strstr(line, name);
    if (!at) return absent;
    at += strlen(name);
    if (!strncmp(at, "{\"hex\": ", 8)) at += 8;
    return *at == '"' ? strtod(at + 1, NULL) : absent;
}

/* The error in units in the last place of the exact result; below the normal numbers an ULP is the smallest number. */
static double error(double got, double exact) {
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (isinf(exact) || isinf(got)) return got == exact ? 0 : INFINITY;
    double size = fmax(fabs(exact), DBL_MIN);
    return fabs(got - exact) / (nextafter(size, INFINITY) - size);
}

int main(int argc, char **argv) {
    static char line[1 << 16];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    int checked = 0, soft = 0, wrong = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "{\"id\": \"sigmoid-float64-", 24)) continue;
        if (!strstr(line, "\"soft_targets\": null")) {
            soft++; /* this loss is for hard targets */
            continue;
        }
        double gamma = number(line, "gamma", NAN), value, grad;
        focal(number(line, "logit", NAN), number(line, "target", NAN), gamma, number(line, "alpha", -1), &value, &grad);
        double of_value = error(value, number(line, "value", NAN)), of_grad = error(grad, number(line, "grad", NAN));
        double bound = 4 + 2 * gamma;
        checked++;
        if (of_value <= bound && of_grad <= bound) continue;
        wrong++;
        printf("%.19s: %g ULP in the value, %g in the gradient; at most %g\n", line + 8, of_value, of_grad, bound);
    }
    if (!checked) return fprintf(stderr, "usage: %s sigmoid-float64.json\n", argv[0]), 2;
    printf("%d cases checked, %d wrong; %d with soft targets left out\n", checked, wrong, soft);
    return wrong > 0;
}
