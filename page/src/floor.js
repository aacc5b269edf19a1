// The ground: a grid of metres that fades with the distance, and the shadows that fall on it.

import { Group, Mesh, PlaneGeometry, ShaderMaterial, ShadowMaterial } from "three";

const SIDE = 80; // metres
const DARK = [0.62, 0.69, 0.78]; // colours of the lines where the page is dark, and where it is light
const LIGHT = [0.33, 0.4, 0.5];

const VERTEX = `
  varying vec2 place;
  void main() {
    vec4 world = modelMatrix * vec4(position, 1.0);
    place = world.xz;
    gl_Position = projectionMatrix * viewMatrix * world;
  }`;

const FRAGMENT = `
  uniform vec2 middle;
  uniform float reach;
  uniform vec3 tint;
  varying vec2 place;
  float lines(float every, float width) {
    vec2 at = place / every;
    vec2 across = fwidth(at);
    vec2 near = abs(fract(at - 0.5) - 0.5) / max(across * width, vec2(1e-6));
    vec2 thin = clamp(1.0 - near, 0.0, 1.0) * clamp(1.0 - 2.0 * across, 0.0, 1.0);
    return max(thin.x, thin.y);
  }
  void main() {
    float far = smoothstep(1.0, 0.15, distance(place, middle) / reach);
    float line = max(0.55 * lines(1.0, 1.2), 0.16 * lines(0.25, 1.0));
    gl_FragColor = vec4(tint, line * far);
  }`;

/** A floor at height 0; `around(x, z, reach)` says where it does not fade. */
export function makeFloor() {
  const uniforms = { middle: { value: [0, 0] }, reach: { value: 6 }, tint: { value: DARK } };
  const light = matchMedia("(prefers-color-scheme: light)");
  const follow = () => (uniforms.tint.value = light.matches ? LIGHT : DARK);
  light.addEventListener("change", follow);
  follow();
  const grid = new Mesh(
    new PlaneGeometry(SIDE, SIDE),
    new ShaderMaterial({
      uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT, transparent: true, depthWrite: false,
    }),
  );
  const shadow = new Mesh(new PlaneGeometry(SIDE, SIDE), new ShadowMaterial({ opacity: 0.38, depthWrite: false }));
  shadow.receiveShadow = true;
  const group = new Group();
  for (const part of [shadow, grid]) {
    part.rotation.x = -Math.PI / 2;
    part.renderOrder = -2;
    group.add(part);
  }
  const around = (x, z, reach) => {
    uniforms.middle.value = [x, z];
    uniforms.reach.value = reach;
  };
  return { group, around };
}
