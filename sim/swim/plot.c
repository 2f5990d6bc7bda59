/* plot.c: the measured figures as SVG: curves over the number of members, and bars. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sim/swim/figures.h"

#define WIDTH 640
#define HEIGHT 320
#define LEFT 60
#define RIGHT 170
#define TOP 40
#define BOTTOM 50
#define PATH_BYTES 512
#define BAR_HEIGHT 8
#define BARS_HEIGHT 26 /* of the three of one line */

struct curve {
    const char *name;
    const char *color;
    size_t offset; /* of a double in struct measure_row */
};

static FILE *begin(const char *folder, const char *name, const char *title)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        (void)fprintf(file,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                      "font-family=\"sans-serif\" font-size=\"12\">\n"
                      "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n"
                      "<text x=\"%d\" y=\"22\" font-size=\"15\">%s</text>\n",
                      WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, title);
    }
    return file;
}

static int end(FILE *file)
{
    (void)fprintf(file, "</svg>\n");
    return fclose(file) == 0 ? 0 : -1;
}

static double x_of(uint32_t members, uint32_t members_max)
{
    double span = log10((double)members_max / 3);
    double part = span > 0 ? log10((double)members / 3) / span : 0;
    return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static double y_of(double value, double most)
{
    return HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM);
}

static double value_of(const struct measure_row *row, size_t offset)
{
    double value;
    memcpy(&value, (const char *)row + offset, sizeof(value));
    return value;
}

static void axes(FILE *file, const struct measure_row *rows, size_t count, double most,
                 const char *unit)
{
    for (int tick = 0; tick <= 4; tick++) {
        double value = most * tick / 4;
        (void)fprintf(file,
                      "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                      LEFT, y_of(value, most), WIDTH - RIGHT, y_of(value, most), LEFT - 8,
                      y_of(value, most) + 4, value);
    }
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%u</text>\n",
                      x_of(rows[i].members, rows[count - 1].members), HEIGHT - BOTTOM + 18,
                      rows[i].members);
    }
    (void)fprintf(file, "<text x=\"%d\" y=\"%d\">members; %s</text>\n", LEFT, HEIGHT - 10, unit);
}

static void draw(FILE *file, const struct measure_row *rows, size_t count, double most,
                 const struct curve *curve, size_t place)
{
    (void)fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
                  curve->color);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(file, "%.1f,%.1f ", x_of(rows[i].members, rows[count - 1].members),
                      y_of(value_of(&rows[i], curve->offset), most));
    }
    (void)fprintf(file, "\"/>\n<text x=\"%d\" y=\"%zu\" fill=\"%s\">%s</text>\n",
                  WIDTH - RIGHT + 10, TOP + 16 + place * 18, curve->color, curve->name);
}

static int plot(const char *folder, const char *name, const char *title, const char *unit,
                const struct measure_row *rows, size_t count, double most,
                const struct curve *curves, size_t curve_count)
{
    FILE *file = begin(folder, name, title);
    if (file == NULL) {
        return -1;
    }
    axes(file, rows, count, most, unit);
    for (size_t i = 0; i < curve_count; i++) {
        draw(file, rows, count, most, &curves[i], i);
    }
    return end(file);
}

int plot_sizes(const char *folder, const struct measure_row *rows, size_t count)
{
    static const struct curve detection[] = {
        {"first ping unanswered", "#1b6ca8", offsetof(struct measure_row, detection)},
        {"suspected", "#e08a00", offsetof(struct measure_row, suspected)},
        {"declared dead", "#b02a30", offsetof(struct measure_row, dead_first)},
        {"known by all", "#444444", offsetof(struct measure_row, dead_all)},
    };
    static const struct curve spread[] = {
        {"a change known by all", "#1b6ca8", offsetof(struct measure_row, spread)},
    };
    static const struct curve load[] = {
        {"packets of a member", "#1b6ca8", offsetof(struct measure_row, packets)},
    };
    int status = plot(folder, "swim-detection.svg", "A member crashes", "periods from the crash on",
                      rows, count, 16, detection, 4);
    status |= plot(folder, "swim-spread.svg", "A member changes its profile",
                   "periods until the last has heard", rows, count, 4, spread, 1);
    status |= plot(folder, "swim-load.svg", "Nothing happens", "packets in a period, acks included",
                   rows, count, 4, load, 1);
    return status;
}

static void bar(FILE *file, double y, uint64_t value, uint64_t most, const char *color)
{
    double width = most > 0 ? (double)value / (double)most * (WIDTH - 300 - 60) : 0;
    (void)fprintf(file,
                  "<rect x=\"300\" y=\"%.1f\" width=\"%.1f\" height=\"7\" fill=\"%s\"/>"
                  "<text x=\"%.1f\" y=\"%.1f\" font-size=\"9\">%llu</text>\n",
                  y, width, color, 300 + width + 4, y + 7, (unsigned long long)value);
}

int plot_falses(const char *folder, const struct measure_false *falses)
{
    static const char *const colors[] = {"#b02a30", "#e08a00", "#1b6ca8"};
    static const char *const kinds[] = {"plain SWIM, timers first", "plain SWIM, packets first",
                                        "Lifeguard and ours"};
    FILE *file = begin(folder, "swim-false.svg", "Healthy members declared dead");
    if (file == NULL) {
        return -1;
    }
    uint64_t most = 0;
    for (size_t i = 0; i < MEASURE_FALSE_COUNT * MEASURE_KINDS; i++) {
        uint64_t value = falses[i / MEASURE_KINDS].dead[i % MEASURE_KINDS];
        most = value > most ? value : most;
    }
    for (size_t i = 0; i < MEASURE_FALSE_COUNT; i++) {
        double y = TOP + (double)i * BARS_HEIGHT;
        (void)fprintf(file, "<text x=\"292\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", y + 16,
                      falses[i].what);
        for (size_t kind = 0; kind < MEASURE_KINDS; kind++) {
            bar(file, y + (double)kind * BAR_HEIGHT, falses[i].dead[kind], most, colors[kind]);
        }
    }
    for (size_t kind = 0; kind < MEASURE_KINDS; kind++) {
        (void)fprintf(file, "<text x=\"%zu\" y=\"%d\" fill=\"%s\">%s</text>\n", 60 + kind * 190,
                      HEIGHT - 8, colors[kind], kinds[kind]);
    }
    return end(file);
}
