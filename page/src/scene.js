// The bodies in space, seen freely or as the video's camera saw them.

import {
  DirectionalLight, Group, HemisphereLight, PCFShadowMap, PerspectiveCamera, Scene, Spherical, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { FilmCamera } from "./film_camera.js";
import { LensBend } from "./bend.js";
import { makeFloor } from "./floor.js";
import { Footprints } from "./footprints.js";
import { Person } from "./person.js";
import { Platforms } from "./platforms.js";

const NEAR = 0.05;
const FAR = 200;
const FIELD_OF_VIEW = 34; // degrees, of the free view
const HALF_BODY = 1.2; // metres that are in view above and below the middle of a body
const ARM = 0.75; // metres by which people reach beyond their pelvis

export class View3D {
  /** @param {() => void} changed asks for a new picture */
  constructor(canvas, motion, changed) {
    this.motion = motion;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setClearColor(0, 0);
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.scene = new Scene();
    this.inWorld = motion.space === "world"; // else bodies are in the video camera's frame: x right, y down, z forward
    this.bodies = new Group();
    this.bodies.matrixAutoUpdate = false;
    this.floor = makeFloor();
    this.bend = new LensBend(motion);
    this.people = [];
    this.footprints = [];
    this.#fill();
    this.scene.add(this.bodies, this.floor.group);
    this.#light();
    this.freeCamera = new PerspectiveCamera(FIELD_OF_VIEW, 1, NEAR, FAR);
    this.controls = new OrbitControls(this.freeCamera, canvas);
    this.controls.enableDamping = false;
    this.controls.maxPolarAngle = 0.53 * Math.PI;
    this.controls.minDistance = 0.4;
    this.controls.maxDistance = 60;
    this.controls.addEventListener("change", changed);
    this.controls.addEventListener("start", () => (this.touched = true));
    this.changed = changed;
    this.followed = false;
    this.measure();
    this.setView("free");
  }

  #light() {
    this.scene.add(new HemisphereLight(0xf4f7ff, 0x5b5f6b, 1.9));
    this.sun = new DirectionalLight(0xfff6e8, 2.1);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.radius = 4;
    this.sun.shadow.bias = -0.0006;
    const rim = new DirectionalLight(0xbfd4ff, 0.9);
    rim.position.set(3, 2.5, -5);
    this.scene.add(this.sun, this.sun.target, rim);
  }

  /** All that the motion says of people, what they stand on and the camera. */
  #fill() {
    this.platforms = new Platforms(this.motion.platforms);
    this.floor.group.add(this.platforms.group);
    for (const given of this.motion.people) this.join(given);
    this.reference = new FilmCamera(this.motion, NEAR, FAR); // in whose frame people are, where they are in no world
    this.film = this.reference;
    this.scene.add(this.film.marker);
    this.#stand(0, 0);
  }

  /** Look with another of several still cameras: one of `motion.views`. */
  lookWith(camera) {
    this.scene.remove(this.film.marker);
    const first = camera === this.motion.views[0];
    this.film = first ? this.reference : new FilmCamera({ ...camera, timestamps: this.motion.timestamps }, NEAR, FAR);
    this.scene.add(this.film.marker);
    this.setView(this.view);
  }

  /** The same anew, once the motion says something else. */
  refill() {
    for (const person of [...this.people]) this.leave(person);
    for (const prints of this.footprints.splice(0)) this.floor.group.remove(prints.group);
    this.floor.group.remove(this.platforms.group);
    this.scene.remove(this.film.marker);
    this.#fill();
    this.measure();
    this.setView(this.view);
  }

  /** Someone more; `given` is as one of `motion.people`. */
  join(given) {
    const person = new Person(given, this.motion, this.bend);
    this.people.push(person);
    this.bodies.add(person.group);
    if (this.inWorld && given.contacts) {
      this.footprints.push(new Footprints(person));
      this.floor.group.add(this.footprints.at(-1).group);
    }
    return person;
  }

  /** Someone less. */
  leave(person) {
    this.people.splice(this.people.indexOf(person), 1);
    this.bodies.remove(person.group);
    person.dispose();
  }

  /** Move the people and the film's camera up, so that the ground is at height 0; metres. */
  raise(height) {
    this.motion.t_scene_cam[1] += height;
    this.#stand(0, 0);
  }

  /** The video's camera where it was, with everybody who is in its frame. */
  #stand(frame, time) {
    this.film.stand(frame, time);
    if (!this.inWorld) this.bodies.matrix.copy(this.reference.pose);
  }

  /** The space in which people move: its middle, its reach along the ground and half its height, metres. */
  measure() {
    const low = new Vector3(Infinity, Infinity, Infinity);
    const high = new Vector3(-Infinity, -Infinity, -Infinity);
    const point = new Vector3();
    for (const { pelvis } of this.motion.people) {
      for (let at = 0; at < pelvis.length; at += 3) {
        point.fromArray(pelvis, at).applyMatrix4(this.bodies.matrix);
        low.min(point);
        high.max(point);
      }
    }
    if (low.x > high.x) {
      low.set(-1, 0.9, -4);
      high.set(1, 0.9, -2);
    }
    this.middle = low.clone().add(high).multiplyScalar(0.5);
    this.reach = 0.5 * Math.hypot(high.x - low.x, high.z - low.z) + ARM;
    this.half = 0.5 * (high.y - low.y) + HALF_BODY;
  }

  /** "camera": as the film was seen; "free": from anywhere. */
  setView(view) {
    this.view = view;
    const free = view === "free";
    this.camera = free ? this.freeCamera : this.film.lens;
    this.bend.use(!free && this.film === this.reference); // how others' lenses bend is not known
    this.controls.enabled = free;
    this.floor.group.visible = this.film.marker.visible = free;
    this.renderer.shadowMap.autoUpdate = free;
    this.changed();
  }

  /** Stand where everybody's whole way is in sight, a little to the side of the film's camera. */
  home() {
    this.touched = false;
    this.controls.target.copy(this.middle);
    const back = this.film.middle().sub(this.controls.target);
    const round = new Spherical().setFromVector3(back);
    const upright = Math.tan((FIELD_OF_VIEW / 2) * (Math.PI / 180)); // of half a picture's height, at 1 m
    const away = Math.max(this.half / upright, this.reach / (upright * this.freeCamera.aspect)) + 0.5 * this.reach;
    round.set(away, 0.44 * Math.PI, round.theta + 0.5);
    this.freeCamera.position.setFromSpherical(round).add(this.controls.target);
    this.controls.update();
    this.changed();
  }

  /** Turn about the people, or come nearer, from the keyboard; radians, and a factor of the distance. */
  orbit(sideways, upwards, nearer) {
    this.touched = true;
    const round = new Spherical().setFromVector3(this.freeCamera.position.clone().sub(this.controls.target));
    round.theta += sideways;
    round.phi = Math.max(0.02, Math.min(this.controls.maxPolarAngle, round.phi + upwards));
    round.radius = Math.max(this.controls.minDistance, Math.min(this.controls.maxDistance, round.radius * nearer));
    this.freeCamera.position.setFromSpherical(round).add(this.controls.target);
    this.controls.update();
    this.changed();
  }

  /** Fit the canvas to its box on the page. */
  resize(width, height) {
    this.size = [width, height];
    this.renderer.setSize(width, height, false);
    this.freeCamera.aspect = width / Math.max(1, height);
    this.freeCamera.updateProjectionMatrix();
    if (!this.touched && this.view === "free") this.home();
  }

  /** Pose everybody as at this moment and draw; numbers of those in view. */
  draw(frame, time) {
    this.#stand(frame, time);
    const here = this.people.filter((person) => person.pose(this.motion.timestamps, frame, time));
    this.scene.updateMatrixWorld();
    this.platforms.show(frame);
    for (const prints of this.footprints) {
      prints.show(here.includes(prints.person), frame, this.platforms.under(prints.person.number, frame));
    }
    this.#followPeople(here);
    const { target } = this.controls;
    const span = Math.max(2.5, Math.min(8, this.reach + 1));
    this.sun.target.position.set(target.x, 0, target.z);
    this.sun.position.set(target.x - 2.2, 6, target.z + 3);
    Object.assign(this.sun.shadow.camera, { left: -span, right: span, top: span, bottom: -span, near: 1, far: 16 });
    this.sun.shadow.camera.updateProjectionMatrix();
    this.floor.around(target.x, target.z, Math.max(6, 2.2 * this.reach));
    this.renderer.render(this.scene, this.camera);
    return here;
  }

  /** Keep the middle of the people where it is in the picture, if that was asked for. */
  #followPeople(here) {
    if (!this.followed || this.view !== "free" || !here.length) return;
    const middle = new Vector3();
    for (const person of here) middle.add(place.setFromMatrixPosition(person.bones[0].matrixWorld));
    const step = middle.multiplyScalar(1 / here.length).sub(this.controls.target).setY(0);
    this.controls.target.add(step);
    this.freeCamera.position.add(step);
    this.freeCamera.lookAt(this.controls.target);
    this.freeCamera.updateMatrixWorld();
  }

  /** Where a point of the world is on the canvas, in CSS pixels; null behind the camera. */
  onCanvas(point) {
    place.copy(point).applyMatrix4(this.camera.matrixWorldInverse);
    if (place.z > -NEAR) return null;
    this.bend.move(place).applyMatrix4(this.camera.projectionMatrix);
    return [((place.x + 1) / 2) * this.size[0], ((1 - place.y) / 2) * this.size[1]];
  }
}

const place = new Vector3();
