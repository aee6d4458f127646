// As much of Node's types as these programs need.
declare module 'node:events' {
  export class EventEmitter {
    setMaxListeners(count: number): this;
    on(event: string, listener: (value: string) => void): this;
    off(event: string, listener: (value: string) => void): this;
  }
}
